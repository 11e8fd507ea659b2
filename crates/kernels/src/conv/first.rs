//! The forward pass of a first layer: images of few channels in, results with the channels last.
//!
//! The rows of a tile are neighbouring positions of one output row, its columns are output channels, so that the results
//! lie as `[image, position, channel]` at once. The positions' inputs are read from the padded copy of a block
//! (`window.rs`), in which they are neighbours whatever the stride; a table says where those of every step begin.
//! Chains run over (channel, kernel position) like those of the other forward passes, and have the same bits.

use super::window::Copied;
use super::{ConvShape, Finish};
use crate::gemm::{Element, Kernels, Next, Step, Tile, Walk, transpose};
use crate::scratch;
use crate::simd::{LANES, isa};
use crate::threads::{SharedMut, most_tasks, parallel_for};

/// Positions of a line that make it wide.
const WIDE: usize = 16;

/// Whether this is a first layer: few channels in, registers of them out.
pub(super) fn suits(shape: &ConvShape) -> bool {
    let channels = (1..=4).contains(&shape.in_channels) && shape.out_channels.is_multiple_of(LANES);
    channels && shape.weight_len() > 0 && shape.groups == 1 && shape.dilation == [1; 3]
}

/// Whether the lines of a plane's results fill tiles.
pub(super) fn wide(shape: &ConvShape) -> bool {
    let flat = [shape.input[0], shape.kernel[0], shape.output[0]] == [1; 3] && shape.pad_begin[0] == 0;
    flat && shape.y_len() > 0 && shape.output[2] >= WIDE
}

/// `y[image, position, channel]` from `x[image, channel, position]`, in one group.
pub(super) fn forward<T: Element>(shape: &ConvShape, x: &[T], weight: &[T], finish: Finish<T>, y: &mut [T]) {
    let (kernels, window) = (T::kernels(isa()), shape.window());
    let (outputs, steps) = (shape.out_channels, window.rows());
    let width = kernels.columns().min(outputs.next_multiple_of(kernels.lanes));
    let panel = width * steps;
    scratch::with(outputs.div_ceil(width) * panel, |packed: &mut [T]| {
        for (i, to) in packed.chunks_exact_mut(panel).enumerate() {
            let channels = width.min(outputs - i * width);
            if channels < width {
                to.fill(T::default());
            }
            transpose(&weight[i * panel..], |channel| channel * steps, channels, steps, to, width);
        }
        let positions = Positions { kernels, width, outputs, weight: packed, finish };
        let size = window.block_size(shape.batch, most_tasks());
        let blocks: Vec<_> = window.blocks(size).collect();
        let y = SharedMut::new(y);
        parallel_for(shape.batch * blocks.len(), |task| {
            let (image, block) = (task / blocks.len(), blocks[task % blocks.len()]);
            scratch::with(window.copy_size(size), |copy| {
                scratch::with(steps, |offsets| {
                    let x = |_| &x[image * window.image()..(image + 1) * window.image()];
                    let copied = Copied::new(&window, block, 1, x, copy, offsets);
                    let start = (image * window.positions() + block.start(&window)) * outputs;
                    let len = block.positions(&window) * outputs;
                    // SAFETY: these positions are this task's alone.
                    positions.run(&copied, unsafe { y.range(start..start + len) });
                });
            });
        });
    });
}

/// Results of neighbouring positions.
struct Positions<'a, T: 'static> {
    kernels: &'static Kernels<T>,
    /// Output channels of a panel of the weight, and in all.
    width: usize,
    outputs: usize,
    /// `[panel, step, channel of the panel]`
    weight: &'a [T],
    finish: Finish<'a, T>,
}

impl<T: Element> Positions<'_, T> {
    /// The results of a block, `[position, channel]`.
    fn run(&self, copied: &Copied<T>, y: &mut [T]) {
        let step = |(at, &offset): (usize, &usize)| Step::new(offset as u32, (at * self.width) as i32);
        let table: Vec<Step> = copied.offsets.iter().enumerate().map(step).collect();
        for (first, length, base) in copied.runs(0..y.len() / self.outputs) {
            let y = &mut y[first * self.outputs..][..length * self.outputs];
            // Tiles as even as possible.
            let tiles = length.div_ceil(self.kernels.rows());
            for panel in 0..self.outputs.div_ceil(self.width) {
                for tile in 0..tiles {
                    let (start, end) = (length * tile / tiles, length * (tile + 1) / tiles);
                    let y = &mut y[start * self.outputs..end * self.outputs];
                    self.tile(&copied.data[base + start..], &table, panel, end - start, y);
                }
            }
        }
    }

    /// One panel of channels at `rows` neighbouring positions.
    fn tile(&self, inputs: &[T], table: &[Step], panel: usize, rows: usize, y: &mut [T]) {
        let (one, first) = (self.kernels.lanes, panel * self.width);
        let columns = self.width.min(self.outputs - first);
        let weight = self.weight[first * table.len()..][..self.width * table.len()].as_ptr();
        let bias = self.finish.bias.map_or(std::ptr::null(), |bias| bias[first..].as_ptr());
        let c = y[first..].as_mut_ptr();
        let tile = Tile {
            k: table.len(),
            a: inputs.as_ptr(),
            a_row: 1,
            a_step: 1,
            b: [weight, weight.wrapping_add(one)],
            b_step: 0,
            table: table.as_ptr(),
            c: [c, c.wrapping_add(one)],
            c_row: self.outputs,
            next: Next::NONE,
            lanes: [columns.min(one), columns.saturating_sub(one)],
            resume: false,
            row_bias: if bias.is_null() { [bias; 2] } else { [bias, bias.wrapping_add(one)] },
            col_bias: std::ptr::null(),
            bounds: self.finish.bounds,
        };
        // SAFETY: the copy holds what these positions of its window meet, the panel has all steps and columns, and `y`
        // all channels of the positions.
        unsafe { self.kernels.compute(rows, columns.div_ceil(one), Walk::Table, &tile) };
    }
}
