//! Backward: the sums that each row's gradient subtracts, then the gradient.

use super::{NormGradients, Normalization, Normalized, TASK};
use crate::formula::{Formula, Pair, blocks, load, map, pick, splat};
use crate::number::{Arithmetic, Number};
use crate::reduce::fold_pairs_inline;
use crate::scratch;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, parallel_for};

/// Groups of samples whose parameter gradients are summed apart, at most.
const PARTS: usize = 64;

pub(super) fn backward<T: Number>(norm: &Normalization<T>, kept: Normalized<T>, to: NormGradients<T>) {
    let (row, all) = (norm.row(), norm.groups * norm.channels);
    to.weight.fill(T::ZERO);
    to.bias.fill(T::ZERO);
    if row * norm.samples == 0 {
        return;
    }
    let each = (TASK / (row * norm.groups)).max(norm.samples.div_ceil(PARTS)).max(1);
    let parts = norm.samples.div_ceil(each);
    let x = SharedMut::new(to.x);
    scratch::with(parts * 2 * all, |sums| {
        let shared = SharedMut::new(&mut *sums);
        parallel_for(parts, |part| {
            let rows = part * each * norm.groups..norm.samples.min((part + 1) * each) * norm.groups;
            // SAFETY: the sums and the rows of a part are its task's alone.
            let (sums, x) = unsafe {
                (shared.range(part * 2 * all..(part + 1) * 2 * all), x.range(rows.start * row..rows.end * row))
            };
            sums.fill(T::ZERO);
            let (weight, bias) = sums.split_at_mut(all);
            dispatch(Backward { norm, first: rows.start, kept, to: NormGradients { x, weight, bias } });
        });
        for sums in sums.chunks_exact(2 * all) {
            to.weight.iter_mut().zip(&sums[..all]).for_each(|(d, &s)| *d += s);
            to.bias.iter_mut().zip(&sums[all..]).for_each(|(d, &s)| *d += s);
        }
    });
}

/// The rows from `first` on; the parameters' gradients are added to.
pub(super) struct Backward<'a, T> {
    pub(super) norm: &'a Normalization<'a, T>,
    pub(super) first: usize,
    pub(super) kept: Normalized<'a, T>,
    pub(super) to: NormGradients<'a, T>,
}

impl<T: Number> Kernel for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Backward { norm, first, kept, to } = self;
        let (row, length) = (norm.row(), norm.length);
        let share = T::ONE / T::from_f64(row as f64);
        for (i, dx) in to.x.chunks_exact_mut(row).enumerate() {
            let at = first + i;
            let (x, g) = (&kept.x[at * row..][..row], &kept.gradient[at * row..][..row]);
            let (mean, scale) = (kept.mean[at], kept.scale[at]);
            let channels = at % norm.groups * norm.channels..(at % norm.groups + 1) * norm.channels;
            let weight = norm.weight.map(|w| &w[channels.clone()]);
            let (by_weight, by_bias) = (&mut to.weight[channels.clone()], &mut to.bias[channels]);
            let (sum, product) = if length == 1 {
                normalize(simd, [x, g], [mean, scale], dx, [by_weight, by_bias]);
                match weight {
                    Some(w) => fold_pairs_inline(simd, [g, &*dx, w], [], Products),
                    None => fold_pairs_inline(simd, [g, &*dx], [], Products),
                }
            } else {
                let mut sums = (T::ZERO, T::ZERO);
                for (c, (x, g)) in x.chunks_exact(length).zip(g.chunks_exact(length)).enumerate() {
                    let (sum, product) = fold_pairs_inline(simd, [g, x], [mean, scale], Products);
                    by_weight[c] += product;
                    by_bias[c] += sum;
                    let w = weight.map_or(T::ONE, |w| w[c]);
                    sums = (sum.fma(w, sums.0), product.fma(w, sums.1));
                }
                sums
            };
            let (middle, slope) = (if norm.centred { sum * share } else { T::ZERO }, product * share);
            match (length, weight) {
                (1, Some(w)) => pull(simd, [g, w], [scale, middle, slope], dx),
                (1, None) => pull(simd, [g], [scale, middle, slope], dx),
                _ => {
                    let rows = dx.chunks_exact_mut(length).zip(x.chunks_exact(length).zip(g.chunks_exact(length)));
                    for (c, (dx, (x, g))) in rows.enumerate() {
                        let w = weight.map_or(T::ONE, |w| w[c]);
                        map(simd, [g, x], [mean, scale, middle, slope, w], dx, Pulled);
                    }
                }
            }
        }
    }
}

/// `normal` = the normalized elements of `x`, whose products with the gradient, and the gradient, are added to `sums`.
#[inline(always)]
fn normalize<S: Simd, T: Number>(
    simd: S,
    [x, g]: [&[T]; 2],
    [mean, scale]: [T; 2],
    normal: &mut [T],
    [by_weight, by_bias]: [&mut [T]; 2],
) {
    let ([x, g], [x_rest, g_rest]) = blocks([x, g], normal.len());
    let (normal, normal_rest) = normal.as_chunks_mut::<LANES>();
    let (by_weight, weight_rest) = by_weight.as_chunks_mut::<LANES>();
    let (by_bias, bias_rest) = by_bias.as_chunks_mut::<LANES>();
    let [means, scales] = splat(simd, [mean, scale]);
    let sums = by_weight.iter_mut().zip(by_bias);
    for (((x, g), normal), (by_weight, by_bias)) in x.iter().zip(g).zip(normal).zip(sums) {
        let g = T::load(simd, g);
        let value = (T::load(simd, x) - means) * scales;
        T::store(value, normal);
        T::store(g.fma(value, T::load(simd, by_weight)), by_weight);
        T::store(T::load(simd, by_bias) + g, by_bias);
    }
    for (i, normal) in normal_rest.iter_mut().enumerate() {
        *normal = (x_rest[i] - mean) * scale;
        weight_rest[i] = g_rest[i].fma(*normal, weight_rest[i]);
        bias_rest[i] += g_rest[i];
    }
}

/// `dx`, which holds the normalized elements, becomes the gradient of the input.
#[inline(always)]
fn pull<S: Simd, T: Number, const N: usize>(simd: S, g: [&[T]; N], constants: [T; 3], dx: &mut [T])
where
    Pulled: Inner<N>,
{
    let (g, g_rest) = blocks(g, dx.len());
    let lanes = splat(simd, constants);
    let (dx, dx_rest) = dx.as_chunks_mut::<LANES>();
    for (at, dx) in dx.iter_mut().enumerate() {
        let x = T::load(simd, dx);
        T::store(Pulled.inner(load(simd, g, at), x, lanes), dx);
    }
    for (at, dx) in dx_rest.iter_mut().enumerate() {
        *dx = Pulled.inner(pick(g_rest, at), *dx, constants);
    }
}

/// Sums of gradients by weights, and of these times normalized elements.
#[derive(Clone, Copy)]
struct Products;

impl Pair<3, 0> for Products {
    #[inline(always)]
    fn add<F: Arithmetic>(self, (sum, product): (F, F), [g, normal, weight]: [F; 3], _: [F; 0]) -> (F, F) {
        let h = g * weight;
        (sum + h, h.fma(normal, product))
    }
}

impl Pair<2, 0> for Products {
    #[inline(always)]
    fn add<F: Arithmetic>(self, (sum, product): (F, F), [g, normal]: [F; 2], _: [F; 0]) -> (F, F) {
        (sum + g, g.fma(normal, product))
    }
}

impl Pair<2, 2> for Products {
    #[inline(always)]
    fn add<F: Arithmetic>(self, sums: (F, F), [g, x]: [F; 2], [mean, scale]: [F; 2]) -> (F, F) {
        Pair::<2, 0>::add(self, sums, [g, (x - mean) * scale], [])
    }
}

/// The gradient of the input from that of the result, times the weight if there is one.
#[derive(Clone, Copy)]
struct Pulled;

trait Inner<const N: usize> {
    /// From the gradient and the normalized element.
    fn inner<F: Arithmetic>(self, g: [F; N], normal: F, constants: [F; 3]) -> F;
}

impl Inner<1> for Pulled {
    #[inline(always)]
    fn inner<F: Arithmetic>(self, [g]: [F; 1], normal: F, [scale, middle, slope]: [F; 3]) -> F {
        scale * ((g - middle) - normal * slope)
    }
}

impl Inner<2> for Pulled {
    #[inline(always)]
    fn inner<F: Arithmetic>(self, [g, weight]: [F; 2], normal: F, constants: [F; 3]) -> F {
        self.inner([g * weight], normal, constants)
    }
}

impl Formula<2, 5> for Pulled {
    #[inline(always)]
    fn value<F: Arithmetic>(self, [g, x]: [F; 2], [mean, scale, middle, slope, weight]: [F; 5]) -> F {
        self.inner([g * weight], (x - mean) * scale, [scale, middle, slope])
    }
}
