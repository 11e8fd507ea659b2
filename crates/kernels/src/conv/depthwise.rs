//! Depthwise convolutions: one input and one output channel a group. There is nothing to multiply as a matrix; each
//! output row is the sum of shifted input rows, element by element, in the order of the kernel.

use super::ConvShape;
use super::window::{Copied, Window};
use crate::gemm::Element;
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks, for_chunks_mut};

/// Multiply-adds worth a task.
const TASK: usize = 1 << 16;
/// Partial sums of a dot product.
const LANES: usize = 16;

pub(super) fn forward<T: Element>(shape: &ConvShape, x: &[T], weight: &[T], bias: Option<&[T]>, y: &mut [T]) {
    convolve(shape.batch, shape.groups, shape.window(), x, weight, bias, y);
}

/// `y[image, channel] = conv(x[image, channel], weight[channel]) + bias[channel]`
pub(super) fn convolve<T: Element>(
    batch: usize,
    channels: usize,
    window: Window,
    x: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    y: &mut [T],
) {
    let size = window.kernel_size();
    let positions = window.positions();
    let y = SharedMut::new(y);
    let each = TASK.div_ceil(positions * size);
    for_chunks(batch * channels, each, |planes| {
        let block = window.block_size(1, 1);
        scratch::with(window.copy_size(block), |copy| {
            scratch::with(size, |offsets| {
                for plane in planes {
                    let (channel, x) = (plane % channels, &x[plane * window.image()..(plane + 1) * window.image()]);
                    // SAFETY: a plane is one task's alone.
                    let y = unsafe { y.range(plane * positions..(plane + 1) * positions) };
                    for block in window.blocks(block) {
                        dispatch(Plane {
                            copied: Copied::new(&window, block, 1, |_| x, copy, offsets),
                            weight: &weight[channel * size..(channel + 1) * size],
                            bias: bias.map(|bias| bias[channel]),
                            y: &mut y[block.start(&window)..][..block.positions(&window)],
                        });
                    }
                }
            });
        });
    });
}

/// A block of one plane.
struct Plane<'a, T> {
    copied: Copied<'a, T>,
    weight: &'a [T],
    bias: Option<T>,
    y: &'a mut [T],
}

impl<T: Element> Kernel for Plane<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (first, length, base) in self.copied.runs(0..self.y.len()) {
            let y = &mut self.y[first..first + length];
            y.fill(T::default());
            for (&weight, &offset) in self.weight.iter().zip(self.copied.offsets) {
                let x = &self.copied.data[base + offset..];
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = weight.fma(x, *y));
            }
            if let Some(bias) = self.bias {
                y.iter_mut().for_each(|y| *y += bias);
            }
        }
    }
}

/// `dw[channel, kernel position]`: sixteen partial sums over the columns of all rows of all images, then their sum.
pub(super) fn backward_weight<T: Element>(shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    let window = shape.window();
    let (size, positions, channels) = (window.kernel_size(), window.positions(), shape.groups);
    let block = window.block_size(1, 1);
    for_chunks_mut(dw, size, |channel, dw| {
        scratch::with(size * LANES, |sums| {
            sums.fill(T::default());
            scratch::with(window.copy_size(block), |copy| {
                scratch::with(size, |offsets| {
                    for image in 0..shape.batch {
                        let plane = image * channels + channel;
                        let x = &x[plane * window.image()..(plane + 1) * window.image()];
                        for block in window.blocks(block) {
                            let copied = Copied::new(&window, block, 1, |_| x, copy, offsets);
                            let dy = &dy[plane * positions + block.start(&window)..][..block.positions(&window)];
                            dispatch(PlaneDots { copied, dy, sums });
                        }
                    }
                });
            });
            for (dw, sums) in dw.iter_mut().zip(sums.chunks_exact(LANES)) {
                *dw = sums.iter().fold(T::default(), |a, &b| a + b);
            }
        });
    });
}

/// The dot products of a block's gradient with the image, shifted to every kernel position.
struct PlaneDots<'a, T> {
    copied: Copied<'a, T>,
    dy: &'a [T],
    sums: &'a mut [T],
}

impl<T: Element> Kernel for PlaneDots<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (first, length, base) in self.copied.runs(0..self.dy.len()) {
            let dy = &self.dy[first..first + length];
            for (sums, &offset) in self.sums.as_chunks_mut::<LANES>().0.iter_mut().zip(self.copied.offsets) {
                let x = &self.copied.data[base + offset..][..length];
                for (dy, x) in dy.chunks(LANES).zip(x.chunks(LANES)) {
                    sums.iter_mut().zip(dy).zip(x).for_each(|((sum, &dy), &x)| *sum = dy.fma(x, *sum));
                }
            }
        }
    }
}
