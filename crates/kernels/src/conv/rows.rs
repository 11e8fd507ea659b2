//! Wide maps: registers run along the rows of a block's padded copy and are read from it directly.
//!
//! Nothing is packed but the weights. A tile of positions stays in the first-level cache while all panels of weights
//! stream past it; k is cut into slabs of whole channels for that.

use std::ops::Range;

use super::Finish;
use super::window::{Copied, Window};
use crate::gemm::{Element, Kernels, Next, Step, Tile, Walk, transpose};
use crate::threads::{SharedMut, parallel_for};

/// Steps of a slab at most: two registers of positions read about 64 bytes of each from the first-level cache.
const SLAB: usize = 640;

/// Whether the rows of the output fill registers.
pub(super) fn suits<T>(window: &Window, kernels: &Kernels<T>) -> bool {
    let width = window.output[2];
    4 * width >= 3 * width.next_multiple_of(kernels.lanes) && !window.is_pointwise()
}

/// Packs the weight `[groups, m, k]`, panel after panel.
pub(super) fn pack<T: Element>(kernels: &Kernels<T>, m: usize, k: usize, weight: &[T], to: &mut [T]) {
    let (panels, groups) = (m.div_ceil(kernels.rows()), weight.len() / (m * k));
    let to = SharedMut::new(to);
    parallel_for(groups * panels, |task| {
        let (group, rows) = (task / panels, panel(m, panels, task % panels));
        let range = (group * m + rows.start) * k..(group * m + rows.end) * k;
        // SAFETY: every panel is one task's alone.
        let to = unsafe { to.range(range.clone()) };
        transpose(&weight[range], |row| row * k, rows.len(), k, to, rows.len());
    });
}

/// The rows of a panel: as even as possible.
fn panel(m: usize, panels: usize, i: usize) -> Range<usize> {
    m * i / panels..m * (i + 1) / panels
}

/// One group of one block of one image: `m` rows of `k` products.
pub(super) struct Rows<'a, T: 'static> {
    pub kernels: &'static Kernels<T>,
    pub m: usize,
    pub k: usize,
    /// What [`pack`] gave for the group.
    pub weight: &'a [T],
    pub finish: Finish<'a, T>,
    pub y: &'a SharedMut<'a, T>,
    /// Where the block's first position is, and how far the rows of the result are apart.
    pub start: usize,
    pub c_row: usize,
}

/// A register of positions: where they begin in the result and in the copy, and how many there are.
#[derive(Clone, Copy)]
struct Register {
    position: usize,
    base: usize,
    lanes: usize,
}

impl<T: Element> Rows<'_, T> {
    /// Computes the block whose copy this is, of `positions` positions.
    pub fn run(&self, copied: &Copied<T>, positions: usize) {
        let lanes = self.kernels.lanes;
        let registers = copied.runs(0..positions).flat_map(|(first, length, base)| {
            let register = move |x| Register { position: first + x, base: base + x, lanes: lanes.min(length - x) };
            (0..length).step_by(lanes).map(register)
        });
        let registers: Vec<Register> = registers.collect();
        let step = |(k, &offset): (usize, &usize)| Step::new(k as u32, offset as i32);
        let table: Vec<Step> = copied.offsets.iter().enumerate().map(step).collect();
        let size = copied.window.kernel_size();
        // Whole channels, as even as possible.
        let channels = self.k / size;
        let slab = channels.div_ceil(channels.div_ceil((SLAB / size).max(1))) * size;
        for first in (0..self.k).step_by(slab) {
            for pair in registers.chunks(2) {
                self.tiles(copied.data, pair, first, &table[first..self.k.min(first + slab)]);
            }
        }
    }

    /// The tiles of all panels over one or two registers, for the steps of a slab that begins at step `first`.
    fn tiles(&self, data: &[T], registers: &[Register], first: usize, table: &[Step]) {
        let pair = [registers[0], registers[registers.len() - 1]];
        let panels = self.m.div_ceil(self.kernels.rows());
        let Finish { bias, bounds } = self.finish;
        let whole = first + table.len() == self.k;
        let (bias, bounds) = (bias.filter(|_| whole), bounds.filter(|_| whole));
        for i in 0..panels {
            let rows = panel(self.m, panels, i);
            let c = pair.map(|register| self.start + rows.start * self.c_row + register.position);
            for (c, register) in c.iter().zip(pair) {
                assert!(c + (rows.len() - 1) * self.c_row + register.lanes <= self.y.len());
            }
            let tile = Tile {
                k: table.len(),
                a: self.weight[rows.start * self.k..rows.end * self.k].as_ptr(),
                a_row: 1,
                a_step: rows.len(),
                b: pair.map(|register| data[register.base..].as_ptr()),
                b_step: 0,
                table: table.as_ptr(),
                c: c.map(|c| self.y.pointer().wrapping_add(c)),
                c_row: self.c_row,
                next: Next::NONE,
                lanes: pair.map(|register| register.lanes),
                resume: first > 0,
                row_bias: [std::ptr::null(); 2],
                col_bias: bias.map_or(std::ptr::null(), |bias| bias[rows.clone()].as_ptr()),
                bounds,
            };
            // SAFETY: the copy has slack for a register behind its last element, the panel has all steps, the assertion
            // covers the result, whose positions are this task's alone.
            unsafe { self.kernels.compute(rows.len(), registers.len(), Walk::Table, &tile) };
        }
    }
}
