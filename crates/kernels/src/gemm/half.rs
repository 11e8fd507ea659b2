//! Products of half-precision matrices: widened to `f32` while the panels are packed, summed in `f32`, rounded once.
//!
//! Every output is the chain of [`gemm`](super::gemm) over the widened elements, so it has the bits of the product of
//! two `f32` copies, rounded to the nearest, ties to even; but nobody makes the copies.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

use super::pack::{Lanes, Source};
use super::tile::kernels_f32;
use super::transpose::transpose;
use super::{Init, Mat, Problem, Product, SMALL, fill};
use crate::scratch;
use crate::simd::{Isa, isa};
use crate::threads::{SharedMut, for_chunks_mut, parallel_for};

/// Steps that are widened before they are transposed: two cache lines of each lane.
const STEPS: usize = 64;
/// Lanes of the widest panel, on any instruction set.
const WIDTH: usize = 32;
/// Sums that are rounded by one task.
const ROUNDED: usize = 1 << 15;

/// A half-precision element: [`struct@f16`] or [`bf16`].
#[allow(private_bounds)]
pub trait HalfElement: Half {}
impl HalfElement for f16 {}
impl HalfElement for bf16 {}

/// Nobody else can implement it.
trait Half: Copy + Send + Sync + 'static {
    /// The same numbers in `f32`.
    fn widen(from: &[Self], to: &mut [f32]);

    /// The nearest numbers, of two the even one.
    fn narrow(from: &[f32], to: &mut [Self]);
}

impl Half for f16 {
    fn widen(from: &[f16], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }

    fn narrow(from: &[f32], to: &mut [f16]) {
        to.convert_from_f32_slice(from);
    }
}

/// The upper half of an `f32`: plain integer arithmetic, which the compiler vectorizes.
impl Half for bf16 {
    fn widen(from: &[bf16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len());
        for (x, y) in from.iter().zip(to) {
            *y = f32::from_bits(u32::from(x.to_bits()) << 16);
        }
    }

    fn narrow(from: &[f32], to: &mut [bf16]) {
        assert_eq!(from.len(), to.len());
        for (x, y) in from.iter().zip(to) {
            let bits = x.to_bits();
            let rounded = bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16;
            // The payload of a NaN must not vanish with the lower half.
            let quiet = bits >> 16 | 0x40;
            *y = bf16::from_bits(if x.is_nan() { quiet } else { rounded } as u16);
        }
    }
}

/// A matrix that is widened as it is packed.
struct Widened<'a, H>(Lanes<'a, H>);

impl<H: HalfElement> Source<f32> for Widened<'_, H> {
    fn pack(&self, k: Range<usize>, lanes: Range<usize>, width: usize, to: &mut [f32]) {
        let Lanes { data, step, lane } = self.0;
        if lanes.len() < width {
            to[..k.len() * width].fill(0.0);
        }
        let at = |s: usize, j: usize| s * step + (lanes.start + j) * lane;
        if lane == 1 {
            for (s, row) in k.zip(to.chunks_exact_mut(width)) {
                H::widen(&data[at(s, 0)..at(s, 0) + lanes.len()], &mut row[..lanes.len()]);
            }
        } else if step == 1 {
            let mut rows = [0.0; WIDTH * STEPS];
            for (first, to) in k.clone().step_by(STEPS).zip(to.chunks_mut(STEPS * width)) {
                let steps = STEPS.min(k.end - first);
                for (j, row) in rows.chunks_exact_mut(STEPS).enumerate().take(lanes.len()) {
                    H::widen(&data[at(first, j)..at(first, j) + steps], &mut row[..steps]);
                }
                transpose(&rows, |j| j * STEPS, lanes.len(), steps, to, width);
            }
        } else {
            for (s, row) in k.zip(to.chunks_exact_mut(width)) {
                for (j, x) in row[..lanes.len()].iter_mut().enumerate() {
                    H::widen(&data[at(s, j)..=at(s, j)], std::slice::from_mut(x));
                }
            }
        }
    }

    fn strided(&self) -> Option<Lanes<'_, f32>> {
        None
    }
}

/// `batch` products of half-precision matrices of one shape, each summed in `f32` and rounded once: the arguments are
/// those of [`gemm_batched`](super::gemm_batched), C only starts at zero.
///
/// # Panics
/// If a slice is too short for its matrices, or if the offsets are not `batch` many.
#[allow(clippy::too_many_arguments)] // the field's own signature
#[track_caller]
pub fn gemm_half_batched<H: HalfElement>(
    batch: usize,
    m: usize,
    n: usize,
    k: usize,
    a: Mat<H>,
    a_offsets: &[usize],
    b: Mat<H>,
    b_offsets: &[usize],
    c: &mut [H],
) {
    let problem = Problem { m, n, k, a, a_offsets, b, b_offsets, c, init: Init::Zero };
    problem.check(batch);
    if !problem.c.is_empty() {
        multiply(isa(), problem);
    }
}

fn multiply<H: HalfElement>(isa: Isa, problem: Problem<H>) {
    let Problem { m, n, k, a, a_offsets, b, b_offsets, c, .. } = problem.row_of_column();
    let kernels = kernels_f32(isa);
    let (batch, c) = (a_offsets.len(), SharedMut::new(c));
    let product = |i: usize, forks: bool| {
        scratch::with(m * n, |sums: &mut [f32]| {
            // SAFETY: every product has an element range of its own.
            let c = unsafe { c.range(i * m * n..(i + 1) * m * n) };
            if k == 0 {
                fill(m, n, sums, Init::Zero);
            } else {
                let (a, b) = (a.offset(a_offsets[i]), b.offset(b_offsets[i]));
                let a = Widened(Lanes { data: a.data, step: a.col_stride, lane: a.row_stride });
                let b = Widened(Lanes { data: b.data, step: b.row_stride, lane: b.col_stride });
                let shared = SharedMut::new(sums);
                let product = Product { kernels, m, n, k, a, b, c: &shared, c_start: 0, c_row: n, init: Init::Zero };
                if forks { product.run() } else { product.run_alone() }
            }
            let sums = &*sums;
            for_chunks_mut(c, ROUNDED, |i, c| H::narrow(&sums[i * ROUNDED..][..c.len()], c));
        });
    };
    let size = (m * n * k).max(1);
    if batch > 1 && size < SMALL {
        let each = ((1 << 19) / size).max(batch.div_ceil(64)).max(1);
        parallel_for(batch.div_ceil(each), |task| {
            (task * each..batch.min((task + 1) * each)).for_each(|i| product(i, false));
        });
    } else {
        (0..batch).for_each(|i| product(i, true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::gemm;
    use crate::simd::available;
    use crate::threads::set_threads;

    /// Numbers between −1 and 1, and what they are in `f32`.
    fn numbers<H: HalfElement>(seed: u32, len: usize, zero: H) -> (Vec<H>, Vec<f32>) {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let exact: Vec<f32> = (0..len).map(|_| next()).collect();
        let (mut halves, mut widened) = (vec![zero; len], vec![0.0; len]);
        H::narrow(&exact, &mut halves);
        H::widen(&halves, &mut widened);
        (halves, widened)
    }

    /// Compares with the rounded product of `f32` copies, bit for bit, and with a sum in `f64`: half a unit of rounding
    /// and the error of a sum of `k` terms in `f32`.
    fn check<H: HalfElement + PartialEq + std::fmt::Debug>(
        [m, n, k]: [usize; 3],
        [a_transposed, b_transposed]: [bool; 2],
        zero: H,
        unit: f64,
    ) {
        let ((a, wide_a), (b, wide_b)) = (numbers(1, m * k, zero), numbers(2, k * n, zero));
        fn mat<T>(data: &[T], rows: usize, columns: usize, transposed: bool) -> Mat<'_, T> {
            if transposed { Mat::transposed(data, rows) } else { Mat::row_major(data, columns) }
        }
        let (wide_a, wide_b) = (mat(&wide_a, m, k, a_transposed), mat(&wide_b, k, n, b_transposed));
        let mut sums = vec![0.0; m * n];
        gemm(m, n, k, wide_a, wide_b, &mut sums, Init::Zero);
        let mut expected = vec![zero; m * n];
        H::narrow(&sums, &mut expected);
        for isa in available() {
            for threads in [1, 3] {
                set_threads(threads);
                let mut c = vec![zero; m * n];
                let (a, b) = (mat(&a, m, k, a_transposed), mat(&b, k, n, b_transposed));
                multiply(isa, Problem { m, n, k, a, a_offsets: &[0], b, b_offsets: &[0], c: &mut c, init: Init::Zero });
                assert_eq!(c, expected, "{m} × {n} × {k} on {isa:?} with {threads} threads");
            }
        }
        set_threads(0);
        let mut result = vec![0.0; m * n];
        H::widen(&expected, &mut result);
        for (at, &y) in result.iter().enumerate() {
            let term = |s: usize| {
                let x = wide_a.data[at / n * wide_a.row_stride + s * wide_a.col_stride];
                f64::from(x) * f64::from(wide_b.data[s * wide_b.row_stride + at % n * wide_b.col_stride])
            };
            let (exact, size) = (0..k).fold((0.0, 0.0), |(sum, size), s| (sum + term(s), size + term(s).abs()));
            let bound = unit / 2.0 * exact.abs() + k as f64 * f64::from(f32::EPSILON) * size + 1e-7;
            assert!((f64::from(y) - exact).abs() <= bound, "{y} instead of {exact}, {m} × {n} × {k}");
        }
    }

    fn check_both(sizes: [usize; 3]) {
        for transposed in [[false, false], [false, true], [true, false], [true, true]] {
            check(sizes, transposed, f16::ZERO, 2f64.powi(-10));
            check(sizes, transposed, bf16::ZERO, 2f64.powi(-7));
        }
    }

    #[test]
    fn small_products_are_rounded_once() {
        for sizes in [[1, 1, 1], [1, 40, 70], [40, 1, 70], [3, 5, 7], [15, 33, 65], [30, 20, 0]] {
            check_both(sizes);
        }
    }

    #[test]
    #[cfg(not(miri))] // too long for an interpreter
    fn large_products_are_rounded_once() {
        check_both([130, 75, 600]);
        check_both([75, 130, 601]);
    }

    #[test]
    fn brain_floats_are_rounded_as_the_crate_rounds_them() {
        let ends = [0x3F80_7FFF, 0x3F80_8000, 0x3F80_8001, 0x3F81_8000, 0x7F7F_FFFF, 0x7F80_0000, 0x7F80_0001];
        let spread = (0..1 << 16).map(|i: u32| i.wrapping_mul(0x9E37_79B9));
        for bits in ends.into_iter().chain(spread).flat_map(|bits| [bits, bits ^ 1 << 31]) {
            let (x, mut y, mut back) = (f32::from_bits(bits), [bf16::ZERO], [0.0]);
            Half::narrow(&[x], &mut y);
            assert_eq!(y[0].to_bits(), bf16::from_f32(x).to_bits(), "{x} ({bits:x})");
            Half::widen(&y, &mut back);
            assert_eq!(back[0].to_bits(), y[0].to_f32().to_bits());
        }
    }

    #[test]
    fn halves_lie_between_and_ties_go_to_the_even_one() {
        // 1 + 2⁻¹¹ lies between 1 and 1 + 2⁻¹⁰ in f16, 1 + 3·2⁻¹¹ between 1 + 2⁻¹⁰ and 1 + 2⁻⁹.
        let ones = [f16::ONE; 2];
        for (small, expected) in [(2f32.powi(-11), 1.0), (3.0 * 2f32.powi(-11), 1.0 + 2f32.powi(-9))] {
            let a = [f16::ONE, f16::from_f32(small)];
            let mut c = [f16::ZERO];
            gemm_half_batched(1, 1, 1, 2, Mat::row_major(&a, 2), &[0], Mat::row_major(&ones, 1), &[0], &mut c);
            assert_eq!(c[0].to_f32(), expected);
        }
    }

    #[test]
    fn a_batch_uses_its_offsets() {
        let (a, _) = numbers(1, 3 * 4 * 6, f16::ZERO);
        let (b, _) = numbers(2, 6 * 5, f16::ZERO);
        let (a, b, mut c) = (Mat::row_major(&a, 6), Mat::row_major(&b, 5), [f16::ZERO; 60]);
        gemm_half_batched(3, 4, 5, 6, a, &[48, 24, 0], b, &[0; 3], &mut c);
        for (i, c) in c.chunks_exact(20).enumerate() {
            let mut one = [f16::ZERO; 20];
            gemm_half_batched(1, 4, 5, 6, a, &[48 - 24 * i], b, &[0], &mut one);
            assert_eq!(one, c);
        }
    }

    #[test]
    #[should_panic(expected = "A (2 × 3) needs 6 elements, got 5")]
    fn a_short_matrix_is_named() {
        let (a, b) = ([f16::ZERO; 5], [f16::ZERO; 6]);
        gemm_half_batched(1, 2, 2, 3, Mat::row_major(&a, 3), &[0], Mat::row_major(&b, 2), &[0], &mut [f16::ZERO; 4]);
    }
}
