//! Blocking: which part of the product is computed when, by whom, and from which packed panels.
//!
//! k is cut into slabs that keep a panel of B in the first cache levels; a chain of multiply-adds that crosses a slab
//! is stored in C and taken up again, so no choice made here can change a bit of the result. (That is why the number
//! of tasks may follow the number of threads here.)
//!
//! A block of tiles walks along its rows panel by panel; each panel of A meets all the block's columns of B, which
//! wait in the second-level cache. A is read where it is if its rows lie along k, or, if the first-level cache maps
//! them to the same places, from a copy of one panel. The columns of B are packed by the first panel of tiles on the
//! way, if they lie side by side. What must be transposed, widened or gathered is packed before.

use std::ops::Range;

use super::pack::{Lanes, Source};
use super::tile::{Kernels, Next, TURN, Tile, Walk};
use super::transpose::transpose_into;
use super::ways::{apart, fits_ways};
use super::{Element, Init};
use crate::number::Number;
use crate::scratch;
use crate::simd::prefetch;
use crate::threads::{SharedMut, parallel_for, threads};

/// Bytes of one lane's steps in a slab: 1024 f32. The more steps a tile has, the less it matters what its way to C and
/// back costs.
const SLAB_BYTES: usize = 4096;
/// Steps whose lanes are copied together, panel by panel: so many streams the hardware follows. A panel by itself has
/// a cache line or two in every page.
const STEPS: usize = 16;
/// Steps of all panels that are a task of copying.
const STEPS_A_TASK: usize = 64;
/// Columns that are packed together take at most this much of the second-level cache: three quarters of a small one.
const BLOCK_BYTES: usize = 768 << 10;
/// More columns than this do not pay: a panel of A then serves eight or more tiles.
const BLOCK_COLUMNS: usize = 256;
/// The least columns of a block, for more of them read A more often …
const NARROW_COLUMNS: usize = 128;
/// … and the least panels of rows: the first of them, which packs B, waits for memory.
const LOW_PANELS: usize = 9;
/// A matrix of so many bytes is not far away when it is read again.
const NEAR_BYTES: usize = 4 << 20;
/// Rows that are packed together take at most this much of the second-level cache.
const ROWS_BYTES: usize = 256 << 10;
/// Rows of B this far apart or less are packed by the tile that reads them; the further ones, a page or more each for 128
/// bytes, are copied before, a few at a time and whole blocks of columns of them.
const NEAR_ROWS_BYTES: usize = 8192;
/// Below this many multiply-adds a product is one task: about ten microseconds of work.
const FORK: usize = 1 << 19;
/// How much more an element of the result costs to turn around than one of A to pack.
const TURNING: usize = 3;
/// Rows of the result that are turned around together: a few cache lines of each of its columns.
const LINES: usize = 64;
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

/// The columns of a block of tiles.
enum Columns<'a, T> {
    /// Packed by all.
    Shared(Packed<'a, T>),
    /// Packed for this block, or by its first panel of rows.
    Own(&'a mut [T]),
}

impl<T: Element> Product<'_, T, Lanes<'_, T>, Lanes<'_, T>> {
    /// Computes the product, mirrored if that is less work.
    ///
    /// Of `Aᵀ·B`, the gradient of a weight, A has to be packed, and B is packed on the way. Where A is the larger side,
    /// `Cᵀ = Bᵀ·A` leaves it where it is; what is turned around is the result. Multiplication commutes and every chain
    /// keeps its order.
    pub fn run_either_way(&self) {
        let (m, n, k) = (self.m, self.n, self.k);
        let packs_a = self.a.lane == 1 && !self.reads_a_directly();
        if packs_a && m > n && (m - n) * k > TURNING * m * n { self.run_mirrored() } else { self.run() }
    }

    fn run_mirrored(&self) {
        let (m, n) = (self.m, self.n);
        // Not a multiple of the cache's period, so that the rows of a tile do not push each other out.
        let row = m.next_multiple_of(16) + 16;
        let lines = |task: usize| task * LINES..m.min((task + 1) * LINES);
        scratch::with(n * row, |turned: &mut [T]| {
            if matches!(self.init, Init::Accumulate) {
                let turned = SharedMut::new(turned);
                parallel_for(n.div_ceil(LINES), |task| {
                    let columns = task * LINES..n.min((task + 1) * LINES);
                    // SAFETY: C is only read here, and a task owns its rows of the copy.
                    unsafe {
                        let c = self.c.range(self.c_start..self.c_start + (m - 1) * self.c_row + n);
                        let to = turned.pointer().add(columns.start * row);
                        transpose_into(c, |i| i * self.c_row + columns.start, m, columns.len(), to, row);
                    }
                });
            }
            let init = match self.init {
                Init::RowBias(bias) => Init::ColBias(bias),
                Init::ColBias(bias) => Init::RowBias(bias),
                other => other,
            };
            let (a, b, c) = (self.b, self.a, &SharedMut::new(turned));
            Product { m: n, n: m, a, b, c, c_start: 0, c_row: row, init, ..*self }.run();
            parallel_for(m.div_ceil(LINES), |task| {
                let rows = lines(task);
                let start = self.c_start + rows.start * self.c_row;
                assert!(start + (rows.len() - 1) * self.c_row + n <= self.c.len());
                // SAFETY: just checked, and a task owns its rows of C.
                unsafe {
                    let to = self.c.pointer().add(start);
                    transpose_into(turned, |j| j * row + rows.start, n, rows.len(), to, self.c_row);
                }
            });
        });
    }
}

impl<T: Number, A: Source<T>, B: Source<T>> Product<'_, T, A, B> {
    /// Computes the product; forks if it is worth it.
    pub fn run(&self) {
        let panels = self.panels();
        if self.m * self.n * self.k < FORK || (panels == 1 && self.n <= self.kernels.columns()) {
            self.block(0..panels, 0..self.n, None, None);
        } else if self.n >= self.m || self.reads_a_directly() {
            self.by_blocks();
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

    /// Blocks of columns, and of rows where those would be too few for the threads: each packs its columns of B. A is
    /// read where it is, or packed by all before.
    fn by_blocks(&self) {
        // What is packed on the way may be packed several times.
        let (narrow, low) = match self.packs_on_the_way() {
            true => (NARROW_COLUMNS, LOW_PANELS),
            false => (2 * self.kernels.columns(), 4 * LOW_PANELS),
        };
        let (least, most) = (self.n.div_ceil(self.block_columns()), self.n / narrow);
        // Whole rounds of tasks, two for each thread, so that one that is late is helped by the others.
        let tasks = if threads() == 1 { 1 } else { 2 * threads() };
        let across = least.next_multiple_of(tasks).min(most.max(least));
        let tiles = self.n.div_ceil(self.kernels.columns());
        let column = |block: usize| self.n.min(tiles * block / across * self.kernels.columns());
        let at_once = (SHARED_ELEMENTS / self.k / self.kernels.rows()).max(1);
        for first in (0..self.panels()).step_by(at_once) {
            let panels = first..(first + at_once).min(self.panels());
            // Low blocks are better than threads without work.
            let least = threads().div_ceil(across).min(panels.len());
            let down = tasks.div_ceil(across).min(panels.len() / low).max(least);
            self.with_packed_rows(panels.clone(), |packed| {
                parallel_for(across * down, |i| {
                    let (x, y) = (i / down, i % down);
                    let part = panels.len() * y / down..panels.len() * (y + 1) / down;
                    let part = panels.start + part.start..panels.start + part.end;
                    self.block(part, column(x)..column(x + 1), packed, None);
                });
            });
        }
    }

    /// Calls `compute` with the rows of `panels`, packed unless they are read where they are, or so few that every block
    /// packs its own: what another core has just written is far away.
    fn with_packed_rows(&self, panels: Range<usize>, compute: impl Fn(Option<Packed<T>>)) {
        let rows = self.row(panels.start)..self.row(panels.end);
        let few = threads() > 1 && rows.len() * self.k * size_of::<T>() <= ROWS_BYTES;
        if few || self.reads_a_directly() {
            return compute(None);
        }
        scratch::with(rows.len() * self.k, |data| {
            let shared = SharedMut::new(data);
            self.pack_shared(panels.len(), self.a.strided(), |p, k, steps| {
                let panel = self.row(panels.start + p)..self.row(panels.start + p + 1);
                let start =
                    k.start * rows.len() + (panel.start - rows.start) * k.len() + (steps.start - k.start) * panel.len();
                // SAFETY: panels of different lanes or slabs do not overlap.
                let to = unsafe { shared.range(start..start + panel.len() * steps.len()) };
                self.a.pack(steps, panel.clone(), panel.len(), to);
            });
            compute(Some(Packed { data, first: rows.start, extent: rows.len() }));
        });
    }

    fn by_rows(&self) {
        let width = self.kernels.columns();
        let rows = self.kernels.rows();
        let each = (self.m.div_ceil(16 * rows)).min(ROWS_BYTES / size_of::<T>() / self.slab() / rows).max(1);
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
        let a_space = match self.copied_row() {
            _ if own_a => rows * slab,
            Some(row) if a.is_none() => self.kernels.rows() * row,
            _ => 0,
        };
        // With one panel of rows every panel of B is used once: straight from the first-level cache.
        let width = if panels.len() == 1 { self.kernels.columns() } else { self.block_columns() };
        let own_b = if b.is_some() { 0 } else { width.min(columns.len().next_multiple_of(self.kernels.lanes)) };
        scratch::with(a_space, |a_space| {
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
                    let (a, a_space) = match own_a {
                        true => (Some(Packed { data: &*a_space, first: first_row, extent: 0 }), &mut [][..]),
                        false => (a, &mut *a_space),
                    };
                    for from in columns.clone().step_by(width) {
                        let columns = from..columns.end.min(from + width);
                        if b.is_none() {
                            self.pack_columns(panels.len(), k.clone(), columns.clone(), b_space);
                        }
                        let b = b.map_or(Columns::Own(&mut *b_space), Columns::Shared);
                        self.tiles(k.clone(), panels.clone(), columns, a, a_space, b);
                    }
                }
            });
        });
    }

    /// Packs the panels of B that the tiles of `panels` panels of rows will not read from the matrix itself.
    fn pack_columns(&self, panels: usize, k: Range<usize>, columns: Range<usize>, to: &mut [T]) {
        let width = self.kernels.columns();
        let at_once = self.steps_at_once(self.b.strided());
        for first in k.clone().step_by(at_once) {
            let steps = first..k.end.min(first + at_once);
            for j in columns.clone().step_by(width) {
                let lanes = j..columns.end.min(j + width);
                let reads = self.reads_b_directly() || (panels > 1 && self.packs_on_the_way());
                if !(reads && lanes.len() == width) {
                    let padded = lanes.len().next_multiple_of(self.kernels.lanes);
                    let start = (j - columns.start) * k.len() + (first - k.start) * padded;
                    self.b.pack(steps.clone(), lanes, padded, &mut to[start..start + steps.len() * padded]);
                }
            }
        }
    }

    /// Runs the tiles of one slab over `panels × columns`. Rows of A that have to be copied are copied to `a_space`.
    fn tiles(
        &self,
        k: Range<usize>,
        panels: Range<usize>,
        columns: Range<usize>,
        a: Option<Packed<T>>,
        a_space: &mut [T],
        mut b: Columns<T>,
    ) {
        let width = self.kernels.columns();
        let last = k.end == self.k;
        let packs = panels.len() > 1 && self.packs_on_the_way();
        let copied_row = self.copied_row().filter(|_| a.is_none());
        for p in panels.clone() {
            let rows = self.row(p)..self.row(p + 1);
            if let (Some(row), Some(a)) = (copied_row, self.a.strided()) {
                for (i, to) in rows.clone().zip(a_space.chunks_exact_mut(row)) {
                    to[..k.len()].copy_from_slice(&a.data[i * a.lane + k.start..][..k.len()]);
                }
            }
            for j in columns.clone().step_by(width) {
                let lanes = j..columns.end.min(j + width);
                let padded = lanes.len().next_multiple_of(self.kernels.lanes);
                let (mut next_a, a_turn) = (std::ptr::null(), TURN * rows.len() * width / columns.len());
                let (a, a_row, a_step) = match (a, self.a.strided()) {
                    (Some(packed), _) => {
                        let panel = packed.panel(&k, rows.start);
                        // Every tile of these rows asks for a part of the next panel, which lies behind this one.
                        let part = rows.len() * k.len() * (j - columns.start) / columns.len();
                        next_a = panel.as_ptr().wrapping_add(rows.len() * k.len() + part);
                        (panel, 1, rows.len())
                    }
                    (None, Some(_)) if let Some(row) = copied_row => (&*a_space, row, 1),
                    (None, Some(a)) => (&a.data[rows.start * a.lane + k.start * a.step..], a.lane, a.step),
                    (None, None) => unreachable!("a source without strides is always packed"),
                };
                if let (Some(_), Some(a)) = (copied_row, self.a.strided())
                    && p + 1 < panels.end
                {
                    // Every tile asks for a part of the rows that are copied next.
                    let part = |j: usize| k.start + k.len() * (j - columns.start) / columns.len();
                    for row in self.row(p + 1)..self.row(p + 2) {
                        prefetch(&a.data[row * a.lane..][part(j)..part(lanes.end)]);
                    }
                }
                let at = (j - columns.start) * k.len();
                let (mut b_step, mut pack) = (padded, None);
                let b = match (self.b.strided(), &mut b) {
                    (Some(b), _) if self.reads_b_directly() && lanes.len() == width => {
                        b_step = b.step;
                        &b.data[k.start * b.step + j..]
                    }
                    (Some(b), Columns::Own(space)) if packs && p == panels.start && lanes.len() == width => {
                        (b_step, pack) = (b.step, Some(space[at..at + k.len() * width].as_mut_ptr()));
                        &b.data[k.start * b.step + j..]
                    }
                    (_, Columns::Own(space)) => &space[at..],
                    (_, Columns::Shared(packed)) => packed.panel(&k, j),
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
                    next: Next { c: self.c.pointer().wrapping_add(next), far: next_a, far_turn: a_turn },
                    lanes: [lanes.len().min(one), lanes.len().saturating_sub(one)],
                    resume: k.start > 0 || matches!(self.init, Init::Accumulate),
                    row_bias: [row_bias, second(row_bias)],
                    col_bias,
                    bounds: None,
                };
                let walk = if a_row == 1 { Walk::Packed } else { Walk::Rows };
                // SAFETY: the slices above hold a panel each, the assertion covers C, and a task owns its tiles.
                unsafe {
                    match pack {
                        Some(to) => self.kernels.compute_and_pack(rows.len(), walk, &tile, to),
                        None => self.kernels.compute(rows.len(), padded / one, walk, &tile),
                    }
                }
            }
        }
    }

    /// Steps in a slab: as even as the length of k allows.
    fn slab(&self) -> usize {
        let most = SLAB_BYTES / size_of::<T>();
        self.k.div_ceil(self.k.div_ceil(most)).next_multiple_of(8)
    }

    /// Columns that are packed together.
    fn block_columns(&self) -> usize {
        let fit = BLOCK_BYTES / size_of::<T>() / self.slab() / self.kernels.columns();
        (fit * self.kernels.columns()).clamp(self.kernels.columns(), BLOCK_COLUMNS)
    }

    fn panels(&self) -> usize {
        self.m.div_ceil(self.kernels.rows())
    }

    /// The first row of a panel: panels differ by one row at most, so no thin one is left over.
    fn row(&self, panel: usize) -> usize {
        self.m * panel / self.panels()
    }

    /// Rows of A that lie along k are read where they are, unless many blocks of columns fetch them from memory: panels
    /// come evenly, asked for by the tiles before. Of a transpose every step is in another page: it is packed, unless
    /// it is read a few times only.
    fn reads_a_directly(&self) -> bool {
        let near = self.m * self.k * size_of::<T>() <= NEAR_BYTES || self.n < 4 * BLOCK_COLUMNS;
        let few = self.n <= 2 * self.kernels.columns();
        self.a.strided().is_some_and(|a| (a.step == 1 && near) || (a.lane == 1 && few))
    }

    /// Rows that are read where they are, but which the cache maps to the same places, are copied panel by panel: the
    /// elements from one copied row to the next.
    fn copied_row(&self) -> Option<usize> {
        let a = self.a.strided().filter(|a| a.step == 1 && self.reads_a_directly())?;
        (!fits_ways::<T>(a.lane, self.kernels.rows())).then(|| apart::<T>(self.slab()))
    }

    /// Whether the first panel of rows packs B as it reads it: where its columns lie side by side, and its rows near.
    fn packs_on_the_way(&self) -> bool {
        let near = |b: Lanes<T>| b.lane == 1 && b.step * size_of::<T>() <= NEAR_ROWS_BYTES;
        self.b.strided().is_some_and(near) && !self.reads_b_directly()
    }

    /// Packing B pays when its panels are read more than a few times and do not stay in the first-level cache.
    fn reads_b_directly(&self) -> bool {
        let few = self.m <= 2 * self.kernels.rows() || self.k * self.n * size_of::<T>() <= 1 << 16;
        self.b.strided().is_some_and(|b| b.lane == 1) && few
    }
}
