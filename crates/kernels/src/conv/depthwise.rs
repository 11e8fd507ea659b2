//! Depthwise convolutions: one input and one output channel a group. There is nothing to multiply as a matrix; each
//! output row is the sum of shifted input rows, element by element, in the order of the kernel.

use super::window::{Copied, Window};
use super::{ConvShape, Finish, planes};
use crate::gemm::Element;
use crate::scratch;
use crate::simd::{Kernel, Simd, dispatch};
use crate::threads::{SharedMut, for_chunks, for_chunks_mut};

/// Multiply-adds worth a task.
const TASK: usize = 1 << 16;
/// Partial sums of a dot product.
const LANES: usize = 16;
/// Positions after which the partial sums are put aside, so that none becomes a long chain of roundings.
const CHAIN: usize = 1 << 12;

pub(super) fn forward<T: Element>(shape: &ConvShape, x: &[T], weight: &[T], finish: Finish<T>, y: &mut [T]) {
    convolve(shape.batch, shape.groups, shape.window(), x, weight, finish, y);
}

/// `y[image, channel] = conv(x[image, channel], weight[channel]) + bias[channel]`
pub(super) fn convolve<T: Element>(
    batch: usize,
    channels: usize,
    window: Window,
    x: &[T],
    weight: &[T],
    finish: Finish<T>,
    y: &mut [T],
) {
    if planes::suits(&window) {
        return planes::convolve(batch * channels, channels, window, x, weight, finish, y);
    }
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
                            bias: finish.bias.map(|bias| bias[channel]),
                            y: &mut y[block.start(&window)..][..block.positions(&window)],
                        });
                    }
                    finish.bound(y);
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

/// `dw[channel, kernel position]`: sixteen partial sums over the columns of some thousand positions, added to those of the
/// positions before, image after image; then their sum.
pub(super) fn backward_weight<T: Element>(shape: &ConvShape, x: &[T], dy: &[T], dw: &mut [T]) {
    let window = shape.window();
    let (size, positions, channels) = (window.kernel_size(), window.positions(), shape.groups);
    let block = window.block_size(1, 1);
    for_chunks_mut(dw, size, |channel, dw| {
        scratch::with(2 * size * LANES, |sums| {
            sums.fill(T::default());
            let (sums, totals) = sums.split_at_mut(size * LANES);
            let mut chain = 0;
            scratch::with(window.copy_size(block), |copy| {
                scratch::with(size, |offsets| {
                    for image in 0..shape.batch {
                        let plane = image * channels + channel;
                        let x = &x[plane * window.image()..(plane + 1) * window.image()];
                        for block in window.blocks(block) {
                            let copied = Copied::new(&window, block, 1, |_| x, copy, offsets);
                            let dy = &dy[plane * positions + block.start(&window)..][..block.positions(&window)];
                            dispatch(PlaneDots { copied, dy, sums });
                            chain += dy.len();
                            if chain >= CHAIN {
                                set_aside(sums, totals);
                                chain = 0;
                            }
                        }
                    }
                });
            });
            set_aside(sums, totals);
            for (dw, totals) in dw.iter_mut().zip(totals.chunks_exact(LANES)) {
                *dw = totals.iter().fold(T::default(), |a, &b| a + b);
            }
        });
    });
}

/// Adds sums to totals and begins them anew.
fn set_aside<T: Element>(sums: &mut [T], totals: &mut [T]) {
    totals.iter_mut().zip(&*sums).for_each(|(total, &sum)| *total += sum);
    sums.fill(T::default());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Equal products, whose sum in one chain a lane would be off by a hundred times the bound.
    #[test]
    #[cfg(not(miri))] // too long for an interpreter
    fn the_error_does_not_grow_with_the_positions() {
        let size = 128;
        let shape = ConvShape {
            batch: 64,
            groups: 2,
            in_channels: 2,
            out_channels: 2,
            input: [1, size, size],
            kernel: [1; 3],
            output: [1, size, size],
            stride: [1; 3],
            pad_begin: [0; 3],
            dilation: [1; 3],
        };
        let x = vec![0.1f32; shape.x_len()];
        let mut dw = [0.0; 2];
        backward_weight(&shape, &x, &x, &mut dw);
        let exact = f64::from(0.1f32) * f64::from(0.1f32) * (shape.x_len() / 2) as f64;
        assert!(dw.iter().all(|&dw| (f64::from(dw) - exact).abs() < 2e-6 * exact), "{dw:?} {exact}");
    }
}
