//! Forward: the statistics of each row, then its elements.

use super::{Normalization, TASK};
use crate::formula::{Formula, Pair, map};
use crate::number::{Arithmetic, Number};
use crate::reduce::fold_pairs_inline;
use crate::simd::{Kernel, Simd, dispatch};
use crate::threads::{SharedMut, parallel_for};

pub(super) fn forward<T: Number>(norm: &Normalization<T>, x: &[T], y: &mut [T], mean: &mut [T], scale: &mut [T]) {
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
pub(super) struct Forward<'a, T> {
    pub(super) norm: &'a Normalization<'a, T>,
    pub(super) first: usize,
    pub(super) x: &'a [T],
    pub(super) y: &'a mut [T],
    pub(super) mean: &'a mut [T],
    pub(super) scale: &'a mut [T],
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
