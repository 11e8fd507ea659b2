//! The most common pooling: windows of two by two, side by side, without padding.

use super::{Largest, PoolShape, Windows};
use crate::simd::{Kernel, LANES, Simd};

impl PoolShape {
    /// Whether all windows are two by two, side by side in single planes, and inside the input.
    pub(super) fn has_squares(&self) -> bool {
        let Windows::Strided { kernel, stride, pad_begin, dilation, .. } = self.windows else { return false };
        let inside = (1..3).all(|d| 2 * self.output[d] <= self.input[d]);
        (kernel, pad_begin, dilation) == ([1, 2, 2], [0; 3], [1; 3])
            && stride[1..] == [2, 2]
            && inside
            && self.output[2] > 0
            && self.input[0] == 1
            && self.output[0] == 1
    }
}

/// One plane of such windows.
pub(super) struct Squares<'a, T> {
    /// Columns of the input and of the output.
    pub width: usize,
    pub columns: usize,
    pub x: &'a [T],
    pub y: &'a mut [T],
    pub indices: &'a mut [i32],
}

/// Where the windows of a row begin in their plane.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    first: i32,
    /// From an element to the one below.
    below: i32,
}

impl<T: Largest> Kernel for Squares<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Squares { width, columns, x, y, indices } = self;
        for (row, (y, indices)) in y.chunks_exact_mut(columns).zip(indices.chunks_exact_mut(columns)).enumerate() {
            let start = 2 * row * width;
            let rows = [&x[start..start + 2 * columns], &x[start + width..start + width + 2 * columns]];
            T::row_of_squares(simd, rows, Places { first: start as i32, below: width as i32 }, y, indices);
        }
    }
}

/// One window after the other.
#[inline(always)]
#[allow(clippy::eq_op)] // a NaN is what differs from itself
pub(super) fn plain<T: Largest>(rows: [&[T]; 2], places: Places, y: &mut [T], indices: &mut [i32]) {
    for (i, (y, index)) in y.iter_mut().zip(indices).enumerate() {
        let place = places.first + 2 * i as i32;
        (*y, *index) = (rows[0][2 * i], place);
        for (below, right) in [(0, 1), (1, 0), (1, 1)] {
            let value = rows[below][2 * i + right];
            if value > *y || value != value {
                (*y, *index) = (value, place + below as i32 * places.below + right as i32);
            }
        }
    }
}

/// [`plain`], sixteen windows at a time.
#[inline(always)]
pub(super) fn vectors<S: Simd>(simd: S, rows: [&[f32]; 2], places: Places, y: &mut [f32], indices: &mut [i32]) {
    let twos = simd.load_i(&std::array::from_fn(|i| 2 * i as u32));
    for (block, (y, indices)) in y.chunks_mut(LANES).zip(indices.chunks_mut(LANES)).enumerate() {
        let part = 2 * block * LANES..2 * (block * LANES + y.len());
        let (a, b) = split(simd, &rows[0][part.clone()]);
        let (c, d) = split(simd, &rows[1][part.clone()]);
        let place = simd.add_i(twos, simd.splat_i(places.first + part.start as i32));
        let mut best = (a, place);
        best = larger(simd, best, b, simd.add_i(place, simd.splat_i(1)));
        best = larger(simd, best, c, simd.add_i(place, simd.splat_i(places.below)));
        best = larger(simd, best, d, simd.add_i(place, simd.splat_i(places.below + 1)));
        let (mut values, mut found) = ([0.0; LANES], [0; LANES]);
        simd.store(best.0, &mut values);
        simd.store_i(best.1, &mut found);
        y.copy_from_slice(&values[..y.len()]);
        indices.iter_mut().zip(found).for_each(|(index, place)| *index = place as i32);
    }
}

/// The even and the odd elements of at most 32; what is not there is zero.
#[inline(always)]
fn split<S: Simd>(simd: S, x: &[f32]) -> (S::F, S::F) {
    let mut part = [0.0; 2 * LANES];
    let x = x.first_chunk().unwrap_or_else(|| {
        part[..x.len()].copy_from_slice(x);
        &part
    });
    let halves: &[[f32; LANES]] = x.as_chunks().0;
    let (a, b) = (simd.load(&halves[0]), simd.load(&halves[1]));
    (simd.evens(a, b), simd.odds(a, b))
}

/// Where a value is larger than the best, or not a number, it becomes the best.
#[inline(always)]
fn larger<S: Simd>(simd: S, best: (S::F, S::I), value: S::F, place: S::I) -> (S::F, S::I) {
    let (larger, number) = (simd.lt(best.0, value), simd.eq(value, value));
    let (here, there) = (simd.with_bits(place), simd.with_bits(best.1));
    let value = simd.select(number, simd.select(larger, value, best.0), value);
    (value, simd.bits(simd.select(number, simd.select(larger, here, there), here)))
}
