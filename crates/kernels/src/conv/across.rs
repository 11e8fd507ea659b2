//! One small map: the product is computed across, positions by result channels.
//!
//! A map of 7 × 7 leaves registers of positions a quarter empty, and has too few of them for two threads. So channels
//! are lanes: each thread takes some of their panels, with all positions as rows, and every weight is read once.

use super::window::{Block, Copied, Window};
use super::{ConvShape, Finish, rows};
use crate::gemm::{Element, Kernels, Lanes, Next, Prepacked, TURN, Tile, Walk, transpose_into};
use crate::scratch;
use crate::threads::{SharedMut, parallel_for};

/// Positions at most.
const FEW: usize = 64;
/// Steps that are multiplied at a time: those of the positions fit the first-level cache, those of a panel of channels
/// the second.
const SLAB: usize = 512;

/// Whether [`convolve`] takes this.
pub(super) fn suits<T>(shape: &ConvShape, window: &Window, kernels: &Kernels<T>) -> bool {
    let channels = shape.out_channels / shape.groups;
    shape.batch == 1 && window.positions() <= FEW && channels >= kernels.columns() && !rows::suits(window, kernels)
}

/// The elements of the packed weight.
pub(super) fn packed_len<T: Element>(shape: &ConvShape, window: &Window, kernels: &Kernels<T>) -> usize {
    shape.groups * Prepacked::elements(kernels, shape.out_channels / shape.groups, window.rows())
}

/// Packs the weight `[groups, m, k]`.
pub(super) fn pack<T: Element>(kernels: &'static Kernels<T>, m: usize, k: usize, weight: &[T], to: &mut [T]) {
    let each = Prepacked::elements(kernels, m, k);
    for (weight, to) in weight.chunks(m * k).zip(to.chunks_mut(each)) {
        Prepacked::new(kernels, Lanes { data: weight, step: 1, lane: k }, m, k, to);
    }
}

/// The convolution of one image, with what [`pack`] gave for the weight.
pub(super) fn convolve<T: Element>(
    shape: &ConvShape,
    window: &Window,
    kernels: &'static Kernels<T>,
    x: &[T],
    packed: &[T],
    finish: Finish<T>,
    y: &SharedMut<T>,
) {
    let (channels, positions, k) = (shape.out_channels / shape.groups, window.positions(), window.rows());
    let each = Prepacked::elements(kernels, channels, k);
    for (group, packed) in packed.chunks_exact(each).enumerate() {
        let first = group * channels;
        let product = Across {
            kernels,
            positions,
            channels,
            k,
            weight: packed,
            finish: Finish { bias: finish.bias.map(|bias| &bias[first..first + channels]), ..finish },
            y,
            start: first * positions,
        };
        let x = &x[group * window.image()..(group + 1) * window.image()];
        if window.is_pointwise() {
            // The positions of a channel lie side by side.
            product.run(|row, _, step| (x[step * positions + row..].as_ptr(), positions));
            continue;
        }
        scratch::with(positions * k, |panels: &mut [T]| {
            product.pack_positions(window, x, panels);
            let panels = &*panels;
            product.run(|row, rows, step| (panels[row * k + step * rows..].as_ptr(), rows));
        });
    }
}

/// The product of one group.
struct Across<'a, T: 'static> {
    kernels: &'static Kernels<T>,
    positions: usize,
    channels: usize,
    k: usize,
    weight: &'a [T],
    finish: Finish<'a, T>,
    y: &'a SharedMut<'a, T>,
    /// Where the results of the group begin.
    start: usize,
}

impl<T: Element> Across<'_, T> {
    /// The panels of positions are as even as possible: the first row of one, and that of the next.
    fn panels(&self) -> impl Iterator<Item = (usize, usize)> {
        let (positions, count) = (self.positions, self.positions.div_ceil(self.kernels.rows()));
        (0..count).map(move |i| (i * positions / count, (i + 1) * positions / count))
    }

    /// Packs what the positions read, panel after panel.
    fn pack_positions(&self, window: &Window, x: &[T], to: &mut [T]) {
        let whole = Block { first: [0; 2], size: [window.output[0], window.output[1]] };
        let (k, to) = (self.k, SharedMut::new(to));
        scratch::with(window.copy_size(whole.size), |copy| {
            scratch::with(k, |offsets| {
                let copied = &Copied::new(window, whole, 1, |_| x, copy, offsets);
                let panels: Vec<_> = self.panels().collect();
                let slabs = k.div_ceil(SLAB);
                parallel_for(panels.len() * slabs, |task| {
                    let ((first, end), slab) = (panels[task / slabs], task % slabs * SLAB);
                    let (rows, steps) = (end - first, slab..k.min(slab + SLAB));
                    let from = first * k + steps.start * rows;
                    // SAFETY: these steps of this panel are this task's alone.
                    let to = unsafe { to.range(from..from + steps.len() * rows) };
                    for (run, length, base) in copied.runs(first..end) {
                        for (to, offset) in to.chunks_exact_mut(rows).zip(&copied.offsets[steps.clone()]) {
                            let from = &copied.data[base + offset..][..length];
                            to[run..run + length].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
                        }
                    }
                });
            });
        });
    }

    /// Computes all results; `a` gives for a panel (its first row and its rows) where a step begins, and how far it is
    /// to the next.
    fn run(&self, a: impl Fn(usize, usize, usize) -> (*const T, usize) + Sync) {
        let (kernels, k, width) = (self.kernels, self.k, self.kernels.columns());
        parallel_for(self.channels.div_ceil(width), |task| {
            let first = task * width;
            let columns = width.min(self.channels - first);
            let padded = columns.next_multiple_of(kernels.lanes);
            let weight = &self.weight[first * k..(first + padded) * k];
            let row_bias = self.finish.bias.map_or(std::ptr::null(), |bias| bias[first..].as_ptr());
            let second = |first: *const T| if first.is_null() { first } else { first.wrapping_add(kernels.lanes) };
            scratch::with(self.positions * padded, |c: &mut [T]| {
                for step in (0..k).step_by(SLAB) {
                    let steps = SLAB.min(k - step);
                    let b = weight[step * padded..(step + steps) * padded].as_ptr();
                    let whole = step + steps == k;
                    let bias = if whole { row_bias } else { std::ptr::null() };
                    let bounds = self.finish.bounds.filter(|_| whole);
                    // The weights come from memory: each tile asks for a part of the steps behind these.
                    let panels = self.positions.div_ceil(kernels.rows());
                    let (behind, far_turn) = (b.wrapping_add(steps * padded), TURN * padded / panels);
                    for (i, (row, end)) in self.panels().enumerate() {
                        let (a, a_step) = a(row, end - row, step);
                        let far = behind.wrapping_add(i * steps * padded / panels);
                        let c = c[row * padded..end * padded].as_mut_ptr();
                        let tile = Tile {
                            k: steps,
                            a,
                            a_row: 1,
                            a_step,
                            b: [b, b.wrapping_add(kernels.lanes)],
                            b_step: padded,
                            table: std::ptr::null(),
                            c: [c, c.wrapping_add(kernels.lanes)],
                            c_row: padded,
                            next: Next { far, far_turn, ..Next::NONE },
                            lanes: [columns.min(kernels.lanes), columns.saturating_sub(kernels.lanes)],
                            resume: step > 0,
                            row_bias: [bias, second(bias)],
                            col_bias: std::ptr::null(),
                            bounds,
                        };
                        // SAFETY: the slices above cover the weight and the results, `a` the panel with all its steps.
                        unsafe { kernels.compute(end - row, padded / kernels.lanes, Walk::Packed, &tile) };
                    }
                }
                let start = self.start + first * self.positions;
                assert!(start + columns * self.positions <= self.y.len());
                // SAFETY: just checked; these channels are this task's alone.
                unsafe {
                    let to = self.y.pointer().add(start);
                    transpose_into(c, |row| row * padded, self.positions, columns, to, self.positions);
                }
            });
        });
    }
}
