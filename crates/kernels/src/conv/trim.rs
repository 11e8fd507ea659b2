//! Kernel elements that only ever meet padding.
//!
//! Deep in a network for small images a 3 × 3 kernel runs over maps of one element: eight of its nine elements are
//! multiplied by zeros only. Such planes, rows and columns at the edges of a kernel are cut off before the work begins.

use std::ops::Range;

use super::ConvShape;
use crate::gemm::Element;
use crate::scratch;
use crate::threads::for_chunks_mut;

/// Kernels that one task copies.
const TASK: usize = 1 << 12;

/// A convolution without the kernel elements that only meet padding.
pub(super) struct Trim {
    /// The convolution that is left.
    shape: ConvShape,
    /// The whole kernel.
    whole: [usize; 3],
    /// What is left of it.
    kept: [Range<usize>; 3],
}

impl ConvShape {
    /// The convolution without the kernel elements that only meet padding, and what is kept of the kernel along each
    /// axis; `None` if all of it is.
    pub fn trimmed(&self) -> Option<(ConvShape, [Range<usize>; 3])> {
        self.trim().map(|trim| (trim.shape, trim.kept))
    }

    /// What is left without the kernel elements that only meet padding; `None` if that is everything.
    pub(super) fn trim(&self) -> Option<Trim> {
        let kept: [Range<usize>; 3] = std::array::from_fn(|d| {
            let meets_input = |at: usize| {
                let at = at * self.dilation[d];
                (0..self.output[d]).any(|o| (at + o * self.stride[d]).wrapping_sub(self.pad_begin[d]) < self.input[d])
            };
            let first = (0..self.kernel[d]).find(|&at| meets_input(at)).unwrap_or(0);
            let last = (first..self.kernel[d]).rfind(|&at| meets_input(at)).unwrap_or(first);
            // The padding may not become negative.
            if first * self.dilation[d] > self.pad_begin[d] { 0..last + 1 } else { first..last + 1 }
        });
        let kernel = std::array::from_fn(|d| kept[d].len());
        let pad_begin = std::array::from_fn(|d| self.pad_begin[d] - kept[d].start * self.dilation[d]);
        (kernel != self.kernel).then_some(Trim {
            shape: ConvShape { kernel, pad_begin, ..*self },
            whole: self.kernel,
            kept,
        })
    }
}

impl Trim {
    /// The convolution that is left.
    pub fn shape(&self) -> ConvShape {
        self.shape
    }

    /// Calls `run` with the shape and the weight that are left.
    pub fn with_weight<T: Element>(&self, weight: &[T], run: impl FnOnce(&ConvShape, &[T])) {
        let (size, whole) = (self.shape.kernel.iter().product::<usize>(), self.whole.iter().product::<usize>());
        scratch::with(self.shape.weight_len(), |small: &mut [T]| {
            for_chunks_mut(small, TASK * size, |task, small| {
                let weight = weight[task * TASK * whole..].chunks_exact(whole);
                for (small, weight) in small.chunks_exact_mut(size).zip(weight) {
                    small.iter_mut().zip(self.places()).for_each(|(to, at)| *to = weight[at]);
                }
            });
            run(&self.shape, small);
        });
    }

    /// Calls `run` with the shape that is left, for the gradient of its weight; what was cut off has the gradient zero.
    pub fn with_gradient<T: Element>(&self, dw: &mut [T], run: impl FnOnce(&ConvShape, &mut [T])) {
        let (size, whole) = (self.shape.kernel.iter().product::<usize>(), self.whole.iter().product::<usize>());
        scratch::with(self.shape.weight_len(), |small: &mut [T]| {
            run(&self.shape, small);
            for_chunks_mut(dw, TASK * whole, |task, dw| {
                dw.fill(T::default());
                let small = small[task * TASK * size..].chunks_exact(size);
                for (dw, small) in dw.chunks_exact_mut(whole).zip(small) {
                    self.places().zip(small).for_each(|(at, &from)| dw[at] = from);
                }
            });
        });
    }

    /// Where the elements that are left lie in a kernel, in their order.
    fn places(&self) -> impl Iterator<Item = usize> + use<'_> {
        let [_, height, width] = self.whole;
        let [planes, rows, columns] = &self.kept;
        planes.clone().flat_map(move |z| {
            rows.clone().flat_map(move |y| columns.clone().map(move |x| (z * height + y) * width + x))
        })
    }
}
