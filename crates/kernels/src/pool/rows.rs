//! Pooling a row of outputs at once: one element of the kernel after the other, in the order of the window.

use std::ops::Range;

use super::windows::Spans;
use super::{Largest, PoolShape, Windows};
use crate::number::Number;
use crate::simd::{Kernel, LANES, Simd};

/// The outputs of a row for which one column of the kernel lies inside the input.
pub(super) struct Tap {
    /// The first of these outputs.
    output: usize,
    count: usize,
    /// The input column of the first.
    input: usize,
}

impl PoolShape {
    /// The columns of the kernel and the stride between outputs; none for adaptive windows, which have no kernel.
    pub(super) fn taps(&self) -> Option<(Vec<Tap>, usize)> {
        let Windows::Strided { kernel, stride, pad_begin, dilation, .. } = self.windows else { return None };
        let (stride, pad) = (stride[2], pad_begin[2]);
        let tap = |column: usize| {
            let place = column * dilation[2];
            // Outputs whose element of this column lies before an input column.
            let before = |input: usize| (pad + input).saturating_sub(place).div_ceil(stride).min(self.output[2]);
            let (output, end) = (before(0), before(self.input[2]));
            Tap { output, count: end - output, input: (output * stride + place).saturating_sub(pad) }
        };
        Some(((0..kernel[2]).map(tap).filter(|tap| tap.count > 0).collect(), stride))
    }
}

/// One plane of a strided pooling.
pub(super) struct Plane<'a> {
    pub shape: &'a PoolShape,
    pub spans: &'a Spans,
    pub taps: &'a [Tap],
    pub stride: usize,
}

impl Plane<'_> {
    /// Calls `visit(first output, outputs, first input)` for every row of outputs and element of the kernel.
    #[inline(always)]
    fn for_taps(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let ([_, height, width], [_, rows, columns]) = (self.shape.input, self.shape.output);
        for (at_z, z) in self.spans.axes[0].iter().enumerate() {
            for (at_y, y) in self.spans.axes[1].iter().enumerate() {
                let output = (at_z * rows + at_y) * columns;
                for row in 0..z.count * y.count {
                    let z = z.first + row / y.count * self.spans.step[0];
                    let y = y.first + row % y.count * self.spans.step[1];
                    let input = (z * height + y) * width;
                    for tap in self.taps {
                        visit(output + tap.output, tap.count, input + tap.input);
                    }
                }
            }
        }
    }
}

/// Calls `$row::<stride>` with the stride as a constant where that pays.
macro_rules! with_stride {
    ($stride:expr, $row:ident($($argument:expr),+)) => {
        match $stride {
            1 => $row::<_, 1>($($argument),+, 1),
            2 => $row::<_, 2>($($argument),+, 2),
            stride => $row::<_, 0>($($argument),+, stride),
        }
    };
}

/// The largest elements of a plane and where they are; `starts` is the index of a window without a larger element than
/// -∞. Sixteen outputs are computed at once: an output whose window does not reach a row's element compares -∞.
pub(super) struct MaxPlane<'a, T> {
    pub plane: Plane<'a>,
    pub x: &'a [T],
    pub starts: &'a [i32],
    pub y: &'a mut [T],
    pub indices: &'a mut [i32],
}

impl<T: Largest> Kernel for MaxPlane<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Plane { shape, spans, taps, stride } = self.plane;
        let ([_, height, width], [_, rows, columns]) = (shape.input, shape.output);
        let steps: [u32; LANES] = std::array::from_fn(|i| (i * stride) as u32);
        for (at_z, z) in spans.axes[0].iter().enumerate() {
            for (at_y, y) in spans.axes[1].iter().enumerate() {
                for block in (0..columns).step_by(LANES) {
                    let outputs = (at_z * rows + at_y) * columns + block;
                    let outputs = outputs..outputs + LANES.min(columns - block);
                    let (mut best, mut places) = ([T::NEGATIVE_INFINITY; LANES], [0; LANES]);
                    places.iter_mut().zip(&self.starts[outputs.clone()]).for_each(|(p, &start)| *p = start as u32);
                    for row in 0..z.count * y.count {
                        let z = z.first + row / y.count * spans.step[0];
                        let y = y.first + row % y.count * spans.step[1];
                        for tap in taps {
                            let from = tap.output.max(block);
                            let lanes =
                                from - block..(tap.output + tap.count).min(block + outputs.len()).max(from) - block;
                            let first = (z * height + y) * width + tap.input + (from - tap.output) * stride;
                            let first_lane = first.wrapping_sub(lanes.start * stride);
                            let values = with_stride!(stride, take(self.x, first_lane, lanes));
                            T::keep_larger(simd, &values, first_lane as u32, &steps, &mut best, &mut places);
                        }
                    }
                    self.y[outputs.clone()].copy_from_slice(&best[..outputs.len()]);
                    self.indices[outputs].iter_mut().zip(places).for_each(|(index, place)| *index = place as i32);
                }
            }
        }
    }
}

/// Every `stride`-th element from `first` on in the lanes that have one, -∞ in the others.
#[inline(always)]
fn take<T: Number, const STRIDE: usize>(x: &[T], first: usize, lanes: Range<usize>, stride: usize) -> [T; LANES] {
    let stride = if STRIDE > 0 { STRIDE } else { stride };
    let mut values = [T::NEGATIVE_INFINITY; LANES];
    match x.get(first..).and_then(|x| x.get(..(LANES - 1) * stride + 1)) {
        // All are there to be read, and then chosen from, without a branch.
        Some(x) => {
            for (i, value) in values.iter_mut().enumerate() {
                let read = x[i * stride];
                *value = if lanes.contains(&i) { read } else { *value };
            }
        }
        None => lanes.for_each(|i| values[i] = x[first.wrapping_add(i * stride)]),
    }
    values
}

/// The sums of the windows: `y` holds zeros.
pub(super) struct SumPlane<'a, T> {
    pub plane: Plane<'a>,
    pub x: &'a [T],
    pub y: &'a mut [T],
}

impl<T: Number> Kernel for SumPlane<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.plane.for_taps(|output, count, input| {
            let x = &self.x[input..][..(count - 1) * self.plane.stride + 1];
            with_stride!(self.plane.stride, sum_row(x, &mut self.y[output..output + count]));
        });
    }
}

#[inline(always)]
fn sum_row<T: Number, const STRIDE: usize>(x: &[T], y: &mut [T], stride: usize) {
    let stride = if STRIDE > 0 { STRIDE } else { stride };
    for (i, y) in y.iter_mut().enumerate() {
        *y += x[i * stride];
    }
}
