//! Which inputs belong to which output, element by element and row by row.

use super::{Divisor, PoolShape, Windows};
use crate::number::Number;

/// One output's window along one axis: `count` inputs from `first` on, `padded` elements with the padding.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub first: usize,
    pub count: usize,
    padded: usize,
}

/// The windows along the three axes.
pub(super) struct Spans {
    pub axes: [Vec<Span>; 3],
    /// Distance of neighbouring inputs of a window.
    pub step: [usize; 3],
}

impl Spans {
    /// The flat place of an output's first input; 0 for a window outside the input.
    pub fn start(&self, shape: &PoolShape, output: usize) -> usize {
        let [_, rows, columns] = shape.output;
        let at = [output / (rows * columns), output / columns % rows, output % columns];
        let [z, y, x] = std::array::from_fn(|d| self.axes[d][at[d]]);
        let outside = [z, y, x].iter().any(|span| span.count == 0);
        if outside { 0 } else { (z.first * shape.input[1] + y.first) * shape.input[2] + x.first }
    }
}

impl PoolShape {
    pub(super) fn spans(&self) -> Spans {
        let axes = std::array::from_fn(|d| (0..self.output[d]).map(|at| self.span(d, at)).collect());
        let step = match self.windows {
            Windows::Strided { dilation, .. } => dilation,
            Windows::Adaptive => [1; 3],
        };
        Spans { axes, step }
    }

    fn span(&self, d: usize, at: usize) -> Span {
        let size = self.input[d];
        match self.windows {
            Windows::Adaptive => {
                let first = at * size / self.output[d];
                let count = ((at + 1) * size).div_ceil(self.output[d]) - first;
                Span { first, count, padded: count }
            }
            Windows::Strided { kernel, stride, pad_begin, pad_end, dilation } => {
                let (start, step) = (at * stride[d], dilation[d]);
                // Elements of the window before a place, counted from the start of the padding.
                let before = |place: usize| place.saturating_sub(start).div_ceil(step).min(kernel[d]);
                let (skipped, end) = (before(pad_begin[d]), before(pad_begin[d] + size));
                Span {
                    first: (start + skipped * step).saturating_sub(pad_begin[d]),
                    count: end.saturating_sub(skipped),
                    padded: before(pad_begin[d] + size + pad_end[d]),
                }
            }
        }
    }

    /// Calls `visit(output, its inputs)` for every output of a plane.
    #[inline(always)]
    pub(super) fn for_windows(&self, spans: &Spans, mut visit: impl FnMut(usize, Window)) {
        let [_, height, width] = self.input;
        let mut output = 0;
        for &z in &spans.axes[0] {
            for &y in &spans.axes[1] {
                for &x in &spans.axes[2] {
                    let origin = (z.first * height + y.first) * width + x.first;
                    let strides = [spans.step[0] * height * width, spans.step[1] * width, spans.step[2]];
                    let count = [z.count, y.count, x.count];
                    visit(output, Window { origin, strides, count, padded: z.padded * y.padded * x.padded });
                    output += 1;
                }
            }
        }
    }
}

/// The inputs of one output.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub origin: usize,
    strides: [usize; 3],
    pub count: [usize; 3],
    padded: usize,
}

impl Window {
    /// Visits the inputs in order.
    #[inline(always)]
    pub fn for_each(&self, mut visit: impl FnMut(usize)) {
        for z in 0..self.count[0] {
            for y in 0..self.count[1] {
                let row = self.origin + z * self.strides[0] + y * self.strides[1];
                for x in 0..self.count[2] {
                    visit(row + x * self.strides[2]);
                }
            }
        }
    }

    pub fn divisor<T: Number>(&self, divisor: Divisor, of: impl Fn(usize) -> T) -> T {
        of(match divisor {
            Divisor::Padded => self.padded,
            Divisor::Inside => self.count.iter().product(),
            Divisor::Fixed(n) => n,
        })
    }
}
