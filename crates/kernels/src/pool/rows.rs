//! Pooling a row of outputs at once: one element of the kernel after the other, in the order of the window.

use super::windows::Spans;
use super::{PoolShape, Windows};
use crate::number::Number;
use crate::simd::{Kernel, Simd};

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

/// The largest elements: `y` holds -∞ and `indices` the start of each window.
pub(super) struct MaxPlane<'a, T> {
    pub plane: Plane<'a>,
    pub x: &'a [T],
    pub y: &'a mut [T],
    pub indices: &'a mut [i64],
}

impl<T: Number> Kernel for MaxPlane<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        self.plane.for_taps(|output, count, input| {
            let (y, indices) = (&mut self.y[output..output + count], &mut self.indices[output..output + count]);
            let x = &self.x[input..][..(count - 1) * self.plane.stride + 1];
            with_stride!(self.plane.stride, max_row(x, y, indices, input));
        });
    }
}

#[allow(clippy::eq_op)] // a NaN is what differs from itself
#[inline(always)]
fn max_row<T: Number, const STRIDE: usize>(x: &[T], y: &mut [T], indices: &mut [i64], first: usize, stride: usize) {
    let stride = if STRIDE > 0 { STRIDE } else { stride };
    for (i, (y, index)) in y.iter_mut().zip(indices).enumerate() {
        let value = x[i * stride];
        let larger = value > *y || value != value;
        *y = if larger { value } else { *y };
        *index = if larger { (first + i * stride) as i64 } else { *index };
    }
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
