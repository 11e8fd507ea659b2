//! Rows brought to mean 0 and variance 1: layer, group, instance and root-mean-square norm, forward and backward.
//!
//! A row, one group of channels of one sample, is read twice while it is in the first-level cache: for its statistics,
//! and to be normalized; backward for the sums that its gradient subtracts, and for the gradient. Parameters belong to
//! channels; their gradients are summed over fixed groups of samples, and the groups' sums are added in order.

use crate::formula::{Formula, Pair, blocks, load, map, pick, splat};
use crate::number::{Arithmetic, Number};
use crate::reduce::fold_pairs_inline;
use crate::scratch;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::threads::{SharedMut, parallel_for};

/// Elements worth a task.
const TASK: usize = 1 << 14;
/// Groups of samples whose parameter gradients are summed apart, at most.
const PARTS: usize = 64;

/// An element type of normalization: `f32` or `f64`.
#[allow(private_bounds)]
pub trait NormElement: Rows {}
impl NormElement for f32 {}
impl NormElement for f64 {}

/// Both passes, compiled in this crate and not again in every crate that calls them.
pub(crate) trait Rows: Number {
    fn normalize(norm: &Normalization<Self>, x: &[Self], y: &mut [Self], mean: &mut [Self], scale: &mut [Self]);
    fn normalize_backward(norm: &Normalization<Self>, kept: Normalized<Self>, to: NormGradients<Self>);
}

macro_rules! rows {
    ($($type:ty)*) => { $(
        impl Rows for $type {
            fn normalize(norm: &Normalization<$type>, x: &[$type], y: &mut [$type], mean: &mut [$type], scale: &mut [$type]) {
                forward(norm, x, y, mean, scale);
            }

            fn normalize_backward(norm: &Normalization<$type>, kept: Normalized<$type>, to: NormGradients<$type>) {
                backward(norm, kept, to);
            }
        }
    )* };
}
rows!(f32 f64);

/// A normalization of `[samples, groups, channels, length]`; a row is one group of one sample.
#[derive(Clone, Copy, Debug)]
pub struct Normalization<'a, T> {
    /// Samples.
    pub samples: usize,
    /// Groups of a sample.
    pub groups: usize,
    /// Channels of a group.
    pub channels: usize,
    /// Elements of a channel.
    pub length: usize,
    /// Added to the variance.
    pub eps: T,
    /// Whether the mean is subtracted; root-mean-square norm leaves it.
    pub centred: bool,
    /// `[groups, channels]`: what normalized elements are multiplied by.
    pub weight: Option<&'a [T]>,
    /// `[groups, channels]`: what is then added.
    pub bias: Option<&'a [T]>,
}

/// What the backward pass reads.
#[derive(Clone, Copy, Debug)]
pub struct Normalized<'a, T> {
    /// The input.
    pub x: &'a [T],
    /// The gradient of the result.
    pub gradient: &'a [T],
    /// `[samples, groups]`
    pub mean: &'a [T],
    /// `[samples, groups]`: the reciprocal standard deviations.
    pub scale: &'a [T],
}

/// Where the gradients go.
#[derive(Debug)]
pub struct NormGradients<'a, T> {
    /// That of the input.
    pub x: &'a mut [T],
    /// `[groups, channels]`
    pub weight: &'a mut [T],
    /// `[groups, channels]`
    pub bias: &'a mut [T],
}

impl<T> Normalization<'_, T> {
    fn row(&self) -> usize {
        self.channels * self.length
    }

    fn rows(&self) -> usize {
        self.samples * self.groups
    }

    #[track_caller]
    fn check(&self, elements: &[usize], statistics: &[usize]) {
        let (all, rows, channels) = (self.rows() * self.row(), self.rows(), self.groups * self.channels);
        assert!(elements.iter().all(|&n| n == all), "{all} elements, got {elements:?}");
        assert!(statistics.iter().all(|&n| n == rows), "one number for each of {rows} rows, got {statistics:?}");
        let fits = |p: Option<&[T]>| p.is_none_or(|p| p.len() == channels);
        assert!(fits(self.weight) && fits(self.bias), "one parameter for each of {channels} channels");
    }
}

/// `y = (x - mean)·scale·weight + bias` with the mean and the reciprocal standard deviation of each row.
///
/// The sums are of differences to the row's first element, which is about as far from the mean as any. A row without
/// elements has the statistics NaN.
///
/// # Panics
/// If a slice has the wrong length.
#[track_caller]
pub fn normalize_rows<T: NormElement>(norm: &Normalization<T>, x: &[T], y: &mut [T], mean: &mut [T], scale: &mut [T]) {
    norm.check(&[x.len(), y.len()], &[mean.len(), scale.len()]);
    T::normalize(norm, x, y, mean, scale);
}

/// The gradients of [`normalize_rows`]. With the normalized row x̂ of M elements and h = gradient·weight:
/// `∂x = scale·(h − Σh/M − x̂·Σ(h·x̂)/M)`, the first mean only if the norm is centred.
///
/// # Panics
/// If a slice has the wrong length.
#[track_caller]
pub fn normalize_rows_backward<T: NormElement>(norm: &Normalization<T>, kept: Normalized<T>, to: NormGradients<T>) {
    norm.check(&[kept.x.len(), kept.gradient.len(), to.x.len()], &[kept.mean.len(), kept.scale.len()]);
    assert_eq!([to.weight.len(), to.bias.len()], [norm.groups * norm.channels; 2], "one gradient for each channel");
    T::normalize_backward(norm, kept, to);
}

fn forward<T: Number>(norm: &Normalization<T>, x: &[T], y: &mut [T], mean: &mut [T], scale: &mut [T]) {
    let row = norm.row();
    if row == 0 {
        let none = T::ZERO * T::INFINITY;
        mean.fill(none);
        return scale.fill(none);
    }
    let [y, mean, scale] = [y, mean, scale].map(SharedMut::new);
    let each = (TASK / row).max(1);
    parallel_for(norm.rows().div_ceil(each), |task| {
        let rows = task * each..norm.rows().min((task + 1) * each);
        let elements = rows.start * row..rows.end * row;
        // SAFETY: the rows are this task's alone.
        let (y, mean, scale) =
            unsafe { (y.range(elements.clone()), mean.range(rows.clone()), scale.range(rows.clone())) };
        dispatch(Forward { norm, first: rows.start, x: &x[elements], y, mean, scale });
    });
}

/// The rows from `first` on.
struct Forward<'a, T> {
    norm: &'a Normalization<'a, T>,
    first: usize,
    x: &'a [T],
    y: &'a mut [T],
    mean: &'a mut [T],
    scale: &'a mut [T],
}

impl<T: Number> Kernel for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let norm = self.norm;
        let count = T::from_f64(norm.row() as f64);
        let rows = self.x.chunks_exact(norm.row()).zip(self.y.chunks_exact_mut(norm.row()));
        for (i, (x, y)) in rows.enumerate() {
            let shift = if norm.centred { x[0] } else { T::ZERO };
            let (sum, squares) = fold_pairs_inline(simd, [x], [shift], Moments);
            let offset = if norm.centred { sum / count } else { T::ZERO };
            let variance = squares / count - offset * offset;
            let variance = if variance < T::ZERO { T::ZERO } else { variance };
            let scale = T::ONE / (variance + norm.eps).sqrt();
            (self.mean[i], self.scale[i]) = (shift + offset, scale);
            let constants = [shift, offset, scale];
            let first = (self.first + i) % norm.groups * norm.channels;
            let (weight, bias) = (norm.weight.map(|w| &w[first..]), norm.bias.map(|b| &b[first..]));
            match (norm.length, weight, bias) {
                (_, None, None) => map(simd, [x], constants, y, Normal),
                (1, Some(weight), Some(bias)) => map(simd, [x, weight, bias], constants, y, Affine),
                (1, Some(weight), None) => map(simd, [x, weight], constants, y, Weighted),
                (length, weight, bias) => {
                    let channels = y.chunks_exact_mut(length).zip(x.chunks_exact(length));
                    for (c, (y, x)) in channels.enumerate() {
                        let (w, b) = (weight.map_or(T::ONE, |w| w[c]), bias.map_or(T::ZERO, |b| b[c]));
                        map(simd, [x], [shift, offset, scale, w, b], y, Affine);
                    }
                }
            }
        }
    }
}

/// The sum, and the sum of squares, of the differences to a shift.
#[derive(Clone, Copy)]
struct Moments;

impl Pair<1, 1> for Moments {
    #[inline(always)]
    fn add<F: Arithmetic>(self, (sum, squares): (F, F), [x]: [F; 1], [shift]: [F; 1]) -> (F, F) {
        let x = x - shift;
        (sum + x, x.fma(x, squares))
    }
}

/// The normalized element.
#[derive(Clone, Copy)]
struct Normal;

impl Formula<1, 3> for Normal {
    #[inline(always)]
    fn value<F: Arithmetic>(self, [x]: [F; 1], [shift, offset, scale]: [F; 3]) -> F {
        ((x - shift) - offset) * scale
    }
}

/// That times a weight.
#[derive(Clone, Copy)]
struct Weighted;

impl Formula<2, 3> for Weighted {
    #[inline(always)]
    fn value<F: Arithmetic>(self, [x, weight]: [F; 2], constants: [F; 3]) -> F {
        Normal.value([x], constants) * weight
    }
}

/// That with a bias, the weight and the bias being those of the element or those of its channel.
#[derive(Clone, Copy)]
struct Affine;

impl Formula<3, 3> for Affine {
    #[inline(always)]
    fn value<F: Arithmetic>(self, [x, weight, bias]: [F; 3], constants: [F; 3]) -> F {
        Normal.value([x], constants).fma(weight, bias)
    }
}

impl Formula<1, 5> for Affine {
    #[inline(always)]
    fn value<F: Arithmetic>(self, [x]: [F; 1], [shift, offset, scale, weight, bias]: [F; 5]) -> F {
        Normal.value([x], [shift, offset, scale]).fma(weight, bias)
    }
}

fn backward<T: Number>(norm: &Normalization<T>, kept: Normalized<T>, to: NormGradients<T>) {
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
struct Backward<'a, T> {
    norm: &'a Normalization<'a, T>,
    first: usize,
    kept: Normalized<'a, T>,
    to: NormGradients<'a, T>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{available, dispatch_on};
    use crate::threads::set_threads;

    fn numbers(len: usize, seed: usize) -> Vec<f64> {
        (0..len).map(|i| f64::from(((i * 7919 + seed * 104_729 + 13) % 2003) as f32 / 1001.0 - 1.0)).collect()
    }

    type Found<T> = [Vec<T>; 6];

    /// Result, mean, scale, and the gradients of input, weight and bias.
    fn run<T: NormElement>(sizes: [usize; 4], kind: usize, of: impl Fn(f64) -> T) -> Found<T> {
        let [samples, groups, channels, length] = sizes;
        let all = samples * groups * channels * length;
        let cast = |x: Vec<f64>| x.into_iter().map(&of).collect::<Vec<T>>();
        // The values lie far from zero, where a sum of squares would lose the variance.
        let x = cast(numbers(all, 1).into_iter().map(|x| x + 30.0).collect());
        let (g, weight, bias) =
            (cast(numbers(all, 2)), cast(numbers(groups * channels, 3)), cast(numbers(groups * channels, 4)));
        let norm = Normalization {
            samples,
            groups,
            channels,
            length,
            eps: of(1e-5),
            centred: kind != 3,
            weight: (kind > 0).then_some(&weight[..]),
            bias: (kind == 2).then_some(&bias[..]),
        };
        let zeros = |len| vec![of(9.0); len];
        let (mut y, mut mean, mut scale) = (zeros(all), zeros(samples * groups), zeros(samples * groups));
        normalize_rows(&norm, &x, &mut y, &mut mean, &mut scale);
        let (mut dx, mut dw, mut db) = (zeros(all), zeros(weight.len()), zeros(weight.len()));
        let kept = Normalized { x: &x, gradient: &g, mean: &mean, scale: &scale };
        normalize_rows_backward(&norm, kept, NormGradients { x: &mut dx, weight: &mut dw, bias: &mut db });
        [y, mean, scale, dx, dw, db]
    }

    /// The definition, in f64, one row after the other.
    fn reference([samples, groups, channels, length]: [usize; 4], kind: usize) -> Found<f64> {
        let row = channels * length;
        let all = samples * groups * row;
        let x: Vec<f64> = numbers(all, 1).into_iter().map(|x| x + 30.0).collect();
        let (g, weight, bias) = (numbers(all, 2), numbers(groups * channels, 3), numbers(groups * channels, 4));
        let zeros = |len| vec![0.0; len];
        let mut found = [all, samples * groups, samples * groups, all, weight.len(), weight.len()].map(zeros);
        let [y, means, scales, dx, dw, db] = &mut found;
        for r in 0..samples * groups {
            let at = r * row..(r + 1) * row;
            let channel = |i: usize| r % groups * channels + i / length;
            let n = row as f64;
            let mean = if kind == 3 { 0.0 } else { x[at.clone()].iter().sum::<f64>() / n };
            let variance = x[at.clone()].iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
            let scale = 1.0 / (variance + 1e-5).sqrt();
            (means[r], scales[r]) = (mean, scale);
            let normal: Vec<f64> = x[at.clone()].iter().map(|x| (x - mean) * scale).collect();
            let w = |i: usize| if kind > 0 { weight[channel(i)] } else { 1.0 };
            let h: Vec<f64> = (0..row).map(|i| g[at.start + i] * w(i)).collect();
            let middle = if kind == 3 { 0.0 } else { h.iter().sum::<f64>() / n };
            let slope = h.iter().zip(&normal).map(|(h, x)| h * x).sum::<f64>() / n;
            for i in 0..row {
                y[at.start + i] = normal[i] * w(i) + if kind == 2 { bias[channel(i)] } else { 0.0 };
                dx[at.start + i] = scale * (h[i] - middle - normal[i] * slope);
                dw[channel(i)] += g[at.start + i] * normal[i];
                db[channel(i)] += g[at.start + i];
            }
        }
        found
    }

    #[test]
    fn results_and_gradients_equal_the_definition() {
        let sizes = [[1, 1, 1, 1], [5, 1, 7, 1], [300, 1, 256, 1], [3, 2, 4, 9], [70, 3, 2, 100], [2, 1, 1000, 1]];
        for (sizes, kind) in sizes.into_iter().flat_map(|sizes| (0..4).map(move |kind| (sizes, kind))) {
            if cfg!(miri) && sizes.iter().product::<usize>() > 300 {
                continue;
            }
            let exact = reference(sizes, kind);
            let wide = run(sizes, kind, |x| x);
            set_threads(1);
            let single = run(sizes, kind, |x| x as f32);
            for threads in [2, 3, 8] {
                set_threads(threads);
                assert!(run(sizes, kind, |x| x as f32) == single, "{sizes:?} {kind} {threads} threads");
            }
            set_threads(0);
            for (k, exact) in exact.iter().enumerate() {
                let size = exact.iter().fold(1.0f64, |m, x| m.max(x.abs()));
                for ((wide, single), exact) in wide[k].iter().zip(&single[k]).zip(exact) {
                    let single = f64::from(*single);
                    assert!((wide - exact).abs() <= 1e-12 * size, "{sizes:?} {kind} {k}: {wide} {exact}");
                    assert!((single - exact).abs() <= 1e-5 * size, "{sizes:?} {kind} {k}: {single} {exact}");
                }
            }
        }
    }

    #[test]
    fn instruction_sets_do_not_matter() {
        let (channels, samples) = (101, 3);
        let x = numbers(samples * channels, 1).iter().map(|&x| x as f32).collect::<Vec<_>>();
        let weight = &x[..channels];
        let norm = Normalization {
            samples,
            groups: 1,
            channels,
            length: 1,
            eps: 1e-5f32,
            centred: true,
            weight: Some(weight),
            bias: Some(weight),
        };
        let run = |isa| {
            let (mut y, mut mean, mut scale) = (vec![0.0; x.len()], vec![0.0; samples], vec![0.0; samples]);
            let forward = Forward { norm: &norm, first: 0, x: &x, y: &mut y, mean: &mut mean, scale: &mut scale };
            dispatch_on(isa, forward);
            let (mut dx, mut dw, mut db) = (vec![0.0; x.len()], vec![0.0; channels], vec![0.0; channels]);
            let kept = Normalized { x: &x, gradient: &y, mean: &mean, scale: &scale };
            let to = NormGradients { x: &mut dx, weight: &mut dw, bias: &mut db };
            dispatch_on(isa, Backward { norm: &norm, first: 0, kept, to });
            [y, mean, scale, dx, dw, db]
        };
        for isa in available() {
            assert!(run(isa) == run(available()[0]), "{isa:?}");
        }
    }

    #[test]
    fn rows_without_elements_have_no_statistics() {
        let norm = Normalization {
            samples: 2,
            groups: 1,
            channels: 0,
            length: 1,
            eps: 0.0f32,
            centred: true,
            weight: None,
            bias: None,
        };
        let (mut mean, mut scale) = ([0.0; 2], [0.0; 2]);
        normalize_rows(&norm, &[], &mut [], &mut mean, &mut scale);
        assert!(mean.iter().chain(&scale).all(|x| x.is_nan()));
    }
}
