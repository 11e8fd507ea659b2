//! Products whose operands stay in the second-level cache: no blocking, and as little packing as possible.
//!
//! A tile reads A as it lies, row by row or transposed, and B where its columns lie together: the gradients of a dense
//! layer are computed without moving an element first. Where the columns of B do not lie together (`x·Wᵀ`), one side
//! has to be transposed. That is the smaller one: for few rows it is A, and then the product is computed mirrored,
//! `Cᵀ = Bᵀ·Aᵀ`. So is one of few columns, which would leave the registers half empty. Multiplication commutes and every
//! chain keeps its order, so neither choice changes a bit.

use std::ops::Range;

use super::pack::{Lanes, Source};
use super::tile::{Kernels, Next, Tile, Walk};
use super::transpose::transpose_into;
use super::ways::fits_ways;
use super::{Element, Init};
use crate::scratch;
use crate::threads::{SharedMut, parallel_for};

/// Multiply-adds from which on blocking pays.
const LARGE: usize = 1 << 23;
/// Below this many multiply-adds a product is one task: some five microseconds of work.
const FORK: usize = 3 << 18;
/// Steps from which on a mirrored product pays for its scattered stores.
const MIRROR: usize = 128;
/// How many times as long as wide a result is that is better computed across.
const NARROW: usize = 8;
/// The most elements of a tile, on any instruction set.
const TILE: usize = 14 * 32;

/// One product `C[m, n] = init + A[m, k]·B[k, n]`, or its mirror image.
pub(super) struct Small<'a, T: 'static> {
    pub kernels: &'static Kernels<T>,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Lanes<'a, T>,
    pub b: Lanes<'a, T>,
    /// `m · n` elements, row-major.
    pub c: &'a SharedMut<'a, T>,
    pub c_start: usize,
    pub init: Init<'a, T>,
    /// C is stored as `[n, m]`.
    pub mirrored: bool,
}

impl<T: Element> Small<'_, T> {
    /// The product the way it is best computed, if that is a way of this file.
    pub fn plan(self) -> Option<Self> {
        let Small { m, n, k, a, b, .. } = self;
        let accumulates = matches!(self.init, Init::Accumulate);
        let transposes_less = b.lane != 1 && k >= MIRROR && (a.lane == 1 || self.tasks() * m < n);
        let fills_registers = a.lane == 1 && n <= self.kernels.lanes && m >= NARROW * n;
        let mirror = !accumulates && (transposes_less || fills_registers);
        let this = if mirror { self.mirror() } else { self };
        // Rows are read along: a line of each has to stay in the cache. Of a transpose a step's line is read once.
        let along = this.a.step == 1 && fits_ways::<T>(this.a.lane, this.kernels.rows());
        let reads_a = this.a.lane == 1 || along;
        (m * n * k <= LARGE && reads_a).then_some(this)
    }

    fn mirror(self) -> Self {
        let init = match self.init {
            Init::RowBias(bias) => Init::ColBias(bias),
            Init::ColBias(bias) => Init::RowBias(bias),
            other => other,
        };
        Small { m: self.n, n: self.m, a: self.b, b: self.a, init, mirrored: !self.mirrored, ..self }
    }

    /// How many tasks the product is worth.
    fn tasks(&self) -> usize {
        match self.m * self.n * self.k / FORK {
            0 => 1,
            1..=5 => 2,
            _ => 4,
        }
    }

    /// Computes the product, in parallel if that is worth it.
    ///
    /// A task packs what it needs itself: what another core has just written is far away. The first half of the tasks
    /// has the first rows of A and of C, or where B is packed its first columns. So a core that has half of the rows of
    /// a dense layer's weight computes half of its outputs and half of its gradient.
    pub fn run(&self) {
        let tasks = self.tasks();
        let beside = self.b.lane == 1;
        let in_place = beside && fits_ways::<T>(self.b.step, self.k);
        let halves = (in_place || self.mirrored) && self.m > self.kernels.rows();
        let down = if halves { tasks.min(self.m.div_ceil(8)) } else { 1 };
        let (width, lanes) = (self.kernels.columns(), self.kernels.lanes);
        let registers = self.n.div_ceil(lanes);
        let across = (tasks / down).min(registers);
        let part = |i: usize, parts: usize, whole: usize| i * whole / parts..(i + 1) * whole / parts;
        parallel_for(across * down, |task| {
            let rows = part(task / across, down, self.m);
            let registers = part(task % across, across, registers);
            let panels = rows.len().div_ceil(self.kernels.rows());
            for first in registers.clone().step_by(width / lanes) {
                let columns = first * lanes..self.n.min((first * lanes + width).min(registers.end * lanes));
                let padded = columns.len().next_multiple_of(lanes);
                let tile = |panel: usize, b: &[T], b_step: usize, pack: Option<&mut [T]>| {
                    let panel = part(panel, panels, rows.len());
                    let rows = rows.start + panel.start..rows.start + panel.end;
                    self.tile(rows, columns.clone(), b, b_step, pack);
                };
                if padded == columns.len() && (in_place || (beside && panels == 1)) {
                    let b = &self.b.data[columns.start..];
                    (0..panels).for_each(|panel| tile(panel, b, self.b.step, None));
                    continue;
                }
                // A tile reads whole registers of neighbouring columns, and again for every panel of rows.
                scratch::with(padded * self.k, |space| {
                    let packs = beside && columns.len() == width;
                    if packs {
                        tile(0, &self.b.data[columns.start..], self.b.step, Some(&mut *space));
                    } else {
                        self.b.pack(0..self.k, columns.clone(), padded, space);
                    }
                    (usize::from(packs)..panels).for_each(|panel| tile(panel, space, padded, None));
                });
            }
        });
    }

    /// One tile of C; step `s` of its columns of B is at `b[s·b_step]`. A tile of two whole registers can pack them.
    fn tile(&self, rows: Range<usize>, columns: Range<usize>, b: &[T], b_step: usize, pack: Option<&mut [T]>) {
        let (k, lanes) = (self.k, self.kernels.lanes);
        let registers = columns.len().div_ceil(lanes);
        let a = &self.a.data[rows.start * self.a.lane..];
        assert!((rows.len() - 1) * self.a.lane + (k - 1) * self.a.step < a.len());
        assert!((k - 1) * b_step + registers * lanes <= b.len());
        let second = |first: *const T| if first.is_null() { first } else { first.wrapping_add(lanes) };
        let (row_bias, col_bias) = match self.init {
            Init::RowBias(bias) => (bias[columns.clone()].as_ptr(), std::ptr::null()),
            Init::ColBias(bias) => (std::ptr::null(), bias[rows.clone()].as_ptr()),
            Init::Zero | Init::Accumulate => (std::ptr::null(), std::ptr::null()),
        };
        let walk = if self.a.lane == 1 { Walk::Packed } else { Walk::Rows };
        let pack = pack.map(|to| {
            assert!(columns.len() == self.kernels.columns() && to.len() == k * columns.len());
            to.as_mut_ptr()
        });
        let compute = |c: *mut T, c_row: usize| {
            let tile = Tile {
                k,
                a: a.as_ptr(),
                a_row: self.a.lane,
                a_step: self.a.step,
                b: [b.as_ptr(), second(b.as_ptr())],
                b_step,
                table: std::ptr::null(),
                c: [c, c.wrapping_add(lanes)],
                c_row,
                next: Next::NONE,
                lanes: [columns.len().min(lanes), columns.len().saturating_sub(lanes)],
                resume: matches!(self.init, Init::Accumulate),
                row_bias: [row_bias, second(row_bias)],
                col_bias,
                bounds: None,
            };
            // SAFETY: the assertions cover A, B and its copy, and the caller C.
            unsafe {
                match pack {
                    Some(to) => self.kernels.compute_and_pack(rows.len(), walk, &tile, to),
                    None => self.kernels.compute(rows.len(), registers, walk, &tile),
                }
            }
        };
        if self.mirrored {
            let mut block = [T::default(); TILE];
            assert!(rows.len() * self.kernels.columns() <= TILE);
            compute(block.as_mut_ptr(), self.kernels.columns());
            self.store_mirrored(rows.clone(), columns.clone(), &block);
        } else {
            let start = self.c_start + rows.start * self.n + columns.start;
            assert!(start + (rows.len() - 1) * self.n + columns.len() <= self.c.len());
            // A task owns its tiles.
            compute(self.c.pointer().wrapping_add(start), self.n);
        }
    }

    /// Stores a tile whose rows are columns of C.
    fn store_mirrored(&self, rows: Range<usize>, columns: Range<usize>, block: &[T; TILE]) {
        let (width, start) = (self.kernels.columns(), self.c_start + columns.start * self.m + rows.start);
        assert!(start + (columns.len() - 1) * self.m + rows.len() <= self.c.len());
        // SAFETY: just checked; a task owns its tiles, whose elements nobody else uses.
        unsafe {
            let to = self.c.pointer().add(start);
            transpose_into(block, |row| row * width, rows.len(), columns.len(), to, self.m);
        }
    }
}
