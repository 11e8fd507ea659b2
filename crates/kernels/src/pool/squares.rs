//! The most common pooling, windows of two by two side by side, where its rows fill vectors: read where they are.

use super::{Largest, PoolShape, Windows};
use crate::simd::{Kernel, LANES, Simd};

impl PoolShape {
    /// Whether all windows are two by two, side by side in single planes, inside the input, and rows of them vectors.
    pub(super) fn has_squares(&self) -> bool {
        let Windows::Strided { kernel, stride, pad_begin, dilation, .. } = self.windows else { return false };
        let flat = (self.input[0], self.output[0]) == (1, 1) && self.output[2] > 0;
        let inside = (1..3).all(|d| 2 * self.output[d] <= self.input[d]);
        let plain = (kernel, pad_begin, dilation) == ([1, 2, 2], [0; 3], [1; 3]) && stride[1..] == [2, 2];
        flat && inside && plain && self.output[2].is_multiple_of(LANES)
    }
}

/// [`super::max_pool`] of some planes of such windows.
pub(super) struct Squares<'a, T, P> {
    pub shape: &'a PoolShape,
    pub planes: usize,
    /// From the first plane on.
    pub x: &'a [T],
    pub y: &'a mut [T],
    pub indices: &'a mut [i32],
    /// Computes a plane that holds a NaN or an infinity.
    pub plain: P,
}

impl<T: Largest, P: FnMut(usize, &mut [T], &mut [i32])> Kernel for Squares<'_, T, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Squares { shape, planes, x, y, indices, mut plain } = self;
        let (area, positions) = (shape.area(), shape.positions());
        for plane in 0..planes {
            let range = plane * positions..(plane + 1) * positions;
            let sizes = [shape.input[2], shape.output[2]];
            if !T::squares(simd, &x[plane * area..], sizes, &mut y[range.clone()], &mut indices[range]) {
                plain(plane, y, indices);
            }
        }
    }
}

/// [`Largest::squares`].
#[inline(always)]
pub(super) fn squares<S: Simd>(
    simd: S,
    x: &[f32],
    [width, columns]: [usize; 2],
    y: &mut [f32],
    indices: &mut [i32],
) -> bool {
    let twos = simd.load_i(&std::array::from_fn(|i| 2 * i as u32));
    let (right, below) = (simd.splat_i(1), simd.splat_i(width as i32));
    let mut finite = simd.splat(0.0);
    for (row, (y, indices)) in y.chunks_exact_mut(columns).zip(indices.chunks_exact_mut(columns)).enumerate() {
        let start = 2 * row * width;
        let rows = [&x[start..start + 2 * columns], &x[start + width..start + width + 2 * columns]];
        let outputs = y.as_chunks_mut::<LANES>().0.iter_mut().zip(indices.as_chunks_mut::<LANES>().0);
        let [above, under] = rows.map(|row| row.as_chunks::<LANES>().0.as_chunks::<2>().0);
        for (i, (((y, indices), above), under)) in outputs.zip(above).zip(under).enumerate() {
            let (pair, second) = ([&above[0], &above[1]], [&under[0], &under[1]]);
            let [first, second] = [pair, second].map(|[a, b]| {
                let (a, b) = (simd.load(a), simd.load(b));
                (simd.evens(a, b), simd.odds(a, b))
            });
            let place = simd.add_i(twos, simd.splat_i((start + 2 * i * LANES) as i32));
            let mut best = (first.0, place);
            for (value, place) in [
                (first.1, simd.add_i(place, right)),
                (second.0, simd.add_i(place, below)),
                (second.1, simd.add_i(place, simd.add_i(below, right))),
            ] {
                let larger = simd.lt(best.0, value);
                let place = simd.select(larger, simd.with_bits(place), simd.with_bits(best.1));
                best = (simd.select(larger, value, best.0), simd.bits(place));
            }
            // What is not finite leaves a NaN.
            let sum = simd.add(simd.add(first.0, first.1), simd.add(second.0, second.1));
            finite = simd.add(finite, simd.sub(sum, sum));
            simd.store(best.0, y);
            simd.store_i(best.1, super::maxima::as_unsigned(indices));
        }
    }
    let mut sums = [0.0; LANES];
    simd.store(finite, &mut sums);
    sums == [0.0; LANES]
}
