//! Blocking: which part of the product is computed when, by whom, and from which packed panels.
//!
//! k is cut into slabs that keep a panel of B in the first cache levels; a chain of multiply-adds that crosses a slab
//! is stored in C and taken up again, so no choice made here can change a bit of the result. The larger side of C is
//! cut into blocks, one task each, which pack their own side; the other side is packed once, by all, before.

use std::ops::Range;

use super::Init;
use super::pack::{Lanes, Source};
use super::tile::{Kernels, Tile, Walk};
use crate::number::Number;
use crate::scratch;
use crate::threads::{SharedMut, parallel_for};

/// Bytes of one lane's steps in a slab: 512 f32. The panel of A, which many tiles read, then takes at most 28 KiB, and
/// every tile has enough steps to pay for its way to C and back.
const SLAB_BYTES: usize = 2048;
/// Steps whose lanes are copied together, panel by panel: so many streams the hardware follows. A panel by itself has
/// a cache line or two in every page.
const STEPS: usize = 16;
/// Steps of all panels that are a task of copying.
const STEPS_A_TASK: usize = 64;
/// Columns that are packed once for all rows take at most this many bytes where the rows could be instead.
const SHARED_COLUMNS_BYTES: usize = 1 << 20;
/// Columns that are packed together before the tiles run over them: 512 KiB, half of a small second-level cache. Each
/// panel of A, from further away, then serves eight or more tiles.
const BLOCK_COLUMNS: usize = 256;
/// Tasks that a product is cut into at least: every one of them reads all of the other side.
const TASKS: usize = 8;
/// Below this many multiply-adds a product is one task: about ten microseconds of work.
const FORK: usize = 1 << 19;
/// The side that is packed in advance holds at most this many elements at a time.
const SHARED_ELEMENTS: usize = 1 << 24;

/// One product `C[m, n] = init + A[m, k]·B[k, n]`, its rows of C `c_row` apart.
pub(crate) struct Product<'a, T: 'static, A, B> {
    pub kernels: &'static Kernels<T>,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: A,
    pub b: B,
    pub c: &'a SharedMut<'a, T>,
    /// Where C begins in `c`.
    pub c_start: usize,
    pub c_row: usize,
    pub init: Init<'a, T>,
}

/// Packed panels: those of the lanes from `first` on. A slab of `s` steps takes `extent · s` elements.
#[derive(Clone, Copy)]
struct Packed<'a, T> {
    data: &'a [T],
    first: usize,
    extent: usize,
}

impl<'a, T> Packed<'a, T> {
    /// The panel whose first lane is `lane`, of the slab `k`.
    /// One that holds a single slab has no extent.
    fn panel(self, k: &Range<usize>, lane: usize) -> &'a [T] {
        &self.data[k.start * self.extent + (lane - self.first) * k.len()..]
    }
}

impl<T: Number, A: Source<T>, B: Source<T>> Product<'_, T, A, B> {
    /// Computes the product; forks if it is worth it.
    pub fn run(&self) {
        let panels = self.panels();
        if self.m * self.n * self.k < FORK || (panels == 1 && self.n <= self.kernels.columns()) {
            self.block(0..panels, 0..self.n, None, None);
        } else if self.n >= self.m && !self.shares_columns() {
            self.by_columns();
        } else {
            self.by_rows();
        }
    }

    /// Computes the whole product on this thread.
    pub fn run_alone(&self) {
        self.block(0..self.panels(), 0..self.n, None, None);
    }

    /// Packs all of A into `to` (`m·k` elements), for products that share it.
    pub fn pack_a(&self, to: &mut [T]) {
        let shared = SharedMut::new(to);
        self.pack_shared(self.panels(), self.a.strided(), |p, k, steps| {
            let panel = self.row(p)..self.row(p + 1);
            let start = k.start * self.m + panel.start * k.len() + (steps.start - k.start) * panel.len();
            // SAFETY: panels of different lanes or slabs do not overlap.
            let to = unsafe { shared.range(start..start + panel.len() * steps.len()) };
            self.a.pack(steps, panel.clone(), panel.len(), to);
        });
    }

    /// As [`run_alone`](Self::run_alone), with what [`pack_a`](Self::pack_a) gave for this A.
    pub fn run_alone_with(&self, a: &[T]) {
        let packed = Packed { data: a, first: 0, extent: self.m };
        self.block(0..self.panels(), 0..self.n, Some(packed), None);
    }

    /// Whether a product with more columns than rows shares the columns nevertheless: copying them all at once reads
    /// whole rows of B, and every task of rows finds them in the second-level cache.
    fn shares_columns(&self) -> bool {
        let copied = self.b.strided().is_some_and(|b| b.lane == 1) && self.a.strided().is_some_and(|a| a.step == 1);
        copied && self.n <= 2 * self.m && self.k * self.n * size_of::<T>() <= SHARED_COLUMNS_BYTES
    }

    fn by_columns(&self) {
        let columns = self.n.div_ceil(TASKS).next_multiple_of(self.kernels.columns()).min(BLOCK_COLUMNS);
        let at_once = (SHARED_ELEMENTS / self.k / self.kernels.rows()).max(1);
        for first in (0..self.panels()).step_by(at_once) {
            let panels = first..(first + at_once).min(self.panels());
            let rows = self.row(panels.start)..self.row(panels.end);
            let compute = |packed: Option<Packed<T>>| {
                parallel_for(self.n.div_ceil(columns), |i| {
                    let columns = i * columns..self.n.min((i + 1) * columns);
                    self.block(panels.clone(), columns, packed, None);
                });
            };
            if self.reads_a_directly() {
                compute(None);
                continue;
            }
            scratch::with(rows.len() * self.k, |data| {
                let shared = SharedMut::new(data);
                self.pack_shared(panels.len(), self.a.strided(), |p, k, steps| {
                    let panel = self.row(panels.start + p)..self.row(panels.start + p + 1);
                    let start = k.start * rows.len()
                        + (panel.start - rows.start) * k.len()
                        + (steps.start - k.start) * panel.len();
                    // SAFETY: panels of different lanes or slabs do not overlap.
                    let to = unsafe { shared.range(start..start + panel.len() * steps.len()) };
                    self.a.pack(steps, panel.clone(), panel.len(), to);
                });
                compute(Some(Packed { data, first: rows.start, extent: rows.len() }));
            });
        }
    }

    fn by_rows(&self) {
        let width = self.kernels.columns();
        let rows = self.kernels.rows();
        let each = (self.m.div_ceil(16 * rows)).min(128 / rows).max(1);
        let panels = self.panels();
        // An even number, for two threads are the least there are.
        let tasks = panels.div_ceil(each).next_multiple_of(2).min(panels);
        let at_once = (SHARED_ELEMENTS / self.k / width).max(1) * width;
        for first in (0..self.n).step_by(at_once) {
            let columns = first..(first + at_once).min(self.n);
            let compute = |packed: Option<Packed<T>>| {
                parallel_for(tasks, |i| {
                    let panels = panels * i / tasks..panels * (i + 1) / tasks;
                    self.block(panels, columns.clone(), None, packed);
                });
            };
            if self.reads_b_directly() && columns.len() % width == 0 {
                compute(None);
                continue;
            }
            let extent = columns.len().next_multiple_of(self.kernels.lanes);
            scratch::with(extent * self.k, |data| {
                let shared = SharedMut::new(data);
                self.pack_shared(columns.len().div_ceil(width), self.b.strided(), |p, k, steps| {
                    let lanes = first + p * width..columns.end.min(first + (p + 1) * width);
                    let padded = lanes.len().next_multiple_of(self.kernels.lanes);
                    let start = k.start * extent + p * width * k.len() + (steps.start - k.start) * padded;
                    // SAFETY: panels of different lanes or slabs do not overlap.
                    let to = unsafe { shared.range(start..start + padded * steps.len()) };
                    self.b.pack(steps, lanes, padded, to);
                });
                compute(Some(Packed { data, first, extent }));
            });
        }
    }

    /// Steps of neighbouring panels that are packed together.
    fn steps_at_once(&self, side: Option<Lanes<T>>) -> usize {
        if side.is_some_and(|side| side.lane == 1 && side.step != 1) { STEPS } else { self.slab() }
    }

    /// Packs panels `0..panels` of every slab: `pack` gets the panel, its slab, and the steps that are wanted of it.
    fn pack_shared(
        &self,
        panels: usize,
        side: Option<Lanes<T>>,
        pack: impl Fn(usize, Range<usize>, Range<usize>) + Sync,
    ) {
        let slab = self.slab();
        let at_once = self.steps_at_once(side);
        // Copied are some steps of all panels, transposed all steps of some panels.
        let (steps, group) = if at_once < slab { (STEPS_A_TASK.min(slab), panels) } else { (slab, panels.div_ceil(8)) };
        let (parts, groups) = (slab.div_ceil(steps), panels.div_ceil(group));
        let tasks = self.k.div_ceil(slab) * parts * groups;
        let task = |i: usize| {
            let (first, part) = (i / groups / parts * slab, i / groups % parts);
            let k = first..self.k.min(first + slab);
            let mine = k.end.min(first + part * steps)..k.end.min(first + (part + 1) * steps);
            let panels = i % groups * group..panels.min((i % groups + 1) * group);
            for first in mine.clone().step_by(at_once) {
                let steps = first..mine.end.min(first + at_once);
                panels.clone().for_each(|p| pack(p, k.clone(), steps.clone()));
            }
        };
        if panels * self.k < 1 << 13 { (0..tasks).for_each(task) } else { parallel_for(tasks, task) }
    }

    /// Computes the rows of `panels` and the columns `columns` of C on this thread.
    fn block(&self, panels: Range<usize>, columns: Range<usize>, a: Option<Packed<T>>, b: Option<Packed<T>>) {
        let slab = self.slab();
        let first_row = self.row(panels.start);
        let rows = self.row(panels.end) - first_row;
        let own_a = a.is_none() && !self.reads_a_directly();
        // With one panel of rows every panel of B is used once: straight from the first-level cache.
        let width = if panels.len() == 1 { self.kernels.columns() } else { BLOCK_COLUMNS };
        let own_b = if b.is_some() { 0 } else { width.min(columns.len().next_multiple_of(self.kernels.lanes)) };
        scratch::with(if own_a { rows * slab } else { 0 }, |a_space| {
            scratch::with(own_b * slab, |b_space| {
                for start in (0..self.k).step_by(slab) {
                    let k = start..self.k.min(start + slab);
                    if own_a {
                        for p in panels.clone() {
                            let rows = self.row(p)..self.row(p + 1);
                            let to = &mut a_space[(rows.start - first_row) * k.len()..];
                            self.a.pack(k.clone(), rows.clone(), rows.len(), to);
                        }
                    }
                    let a = a.or(own_a.then_some(Packed { data: &*a_space, first: first_row, extent: 0 }));
                    for from in columns.clone().step_by(width) {
                        let columns = from..columns.end.min(from + width);
                        if b.is_none() {
                            self.pack_columns(k.clone(), columns.clone(), b_space);
                        }
                        let b = b.unwrap_or(Packed { data: &*b_space, first: from, extent: 0 });
                        self.tiles(k.clone(), panels.clone(), columns, a, b);
                    }
                }
            });
        });
    }

    /// Packs the panels of B that the tiles will not read from the matrix itself.
    fn pack_columns(&self, k: Range<usize>, columns: Range<usize>, to: &mut [T]) {
        let width = self.kernels.columns();
        let at_once = self.steps_at_once(self.b.strided());
        for first in k.clone().step_by(at_once) {
            let steps = first..k.end.min(first + at_once);
            for j in columns.clone().step_by(width) {
                let lanes = j..columns.end.min(j + width);
                if !(self.reads_b_directly() && lanes.len() == width) {
                    let padded = lanes.len().next_multiple_of(self.kernels.lanes);
                    let start = (j - columns.start) * k.len() + (first - k.start) * padded;
                    self.b.pack(steps.clone(), lanes, padded, &mut to[start..start + steps.len() * padded]);
                }
            }
        }
    }

    /// Runs the tiles of one slab over `panels × columns`.
    fn tiles(&self, k: Range<usize>, panels: Range<usize>, columns: Range<usize>, a: Option<Packed<T>>, b: Packed<T>) {
        let width = self.kernels.columns();
        let last = k.end == self.k;
        for p in panels {
            let rows = self.row(p)..self.row(p + 1);
            for j in columns.clone().step_by(width) {
                let lanes = j..columns.end.min(j + width);
                let padded = lanes.len().next_multiple_of(self.kernels.lanes);
                let (a, a_row, a_step) = match (a, self.a.strided()) {
                    (Some(packed), _) => (packed.panel(&k, rows.start), 1, rows.len()),
                    (None, Some(a)) => (&a.data[rows.start * a.lane + k.start * a.step..], a.lane, a.step),
                    (None, None) => unreachable!("a source without strides is always packed"),
                };
                let (b, b_step) = match self.b.strided() {
                    Some(b) if self.reads_b_directly() && lanes.len() == width => {
                        (&b.data[k.start * b.step + j..], b.step)
                    }
                    _ => (b.panel(&k, j), padded),
                };
                let (row_bias, col_bias) = match self.init {
                    Init::RowBias(bias) if last => (bias[lanes.clone()].as_ptr(), std::ptr::null()),
                    Init::ColBias(bias) if last => (std::ptr::null(), bias[rows.clone()].as_ptr()),
                    _ => (std::ptr::null(), std::ptr::null()),
                };
                // The part of C that this tile owns; nobody else touches these rows of these columns.
                let start = self.c_start + rows.start * self.c_row + j;
                assert!(start + (rows.len() - 1) * self.c_row + lanes.len() <= self.c.len());
                let (c, one) = (self.c.pointer().wrapping_add(start), self.kernels.lanes);
                let begin_of_row = start - (j - columns.start);
                let next = if lanes.end < columns.end { start + width } else { begin_of_row + rows.len() * self.c_row };
                let second = |first: *const T| if first.is_null() { first } else { first.wrapping_add(one) };
                let tile = Tile {
                    k: k.len(),
                    a: a.as_ptr(),
                    a_row,
                    a_step,
                    b: [b.as_ptr(), second(b.as_ptr())],
                    b_step,
                    table: std::ptr::null(),
                    c: [c, c.wrapping_add(one)],
                    c_row: self.c_row,
                    next_c: self.c.pointer().wrapping_add(next),
                    lanes: [lanes.len().min(one), lanes.len().saturating_sub(one)],
                    resume: k.start > 0 || matches!(self.init, Init::Accumulate),
                    row_bias: [row_bias, second(row_bias)],
                    col_bias,
                };
                let walk = if a_row == 1 && a_step == rows.len() { Walk::Packed } else { Walk::Strides };
                // SAFETY: the slices above hold a panel each, the assertion covers C, and a task owns its tiles.
                unsafe { self.kernels.compute(rows.len(), padded / one, walk, &tile) };
            }
        }
    }

    /// Steps in a slab: as even as the length of k allows.
    fn slab(&self) -> usize {
        let most = SLAB_BYTES / size_of::<T>();
        self.k.div_ceil(self.k.div_ceil(most)).next_multiple_of(8)
    }

    fn panels(&self) -> usize {
        self.m.div_ceil(self.kernels.rows())
    }

    /// The first row of a panel: panels differ by one row at most, so no thin one is left over.
    fn row(&self, panel: usize) -> usize {
        self.m * panel / self.panels()
    }

    /// Packing A pays when its panels are read more than a few times.
    fn reads_a_directly(&self) -> bool {
        self.a.strided().is_some() && self.n <= 2 * self.kernels.columns()
    }

    /// Packing B pays when its panels are read more than a few times and do not stay in the first-level cache.
    fn reads_b_directly(&self) -> bool {
        let few = self.m <= 2 * self.kernels.rows() || self.k * self.n * size_of::<T>() <= 1 << 16;
        self.b.strided().is_some_and(|b| b.lane == 1) && few
    }
}
