//! The register tile: `rows × columns` outputs, each one chain of fused multiply-adds in the order of k.

use super::thin::{FEW, Stream, stream};
use super::vector::Vector;
use crate::simd::Isa;

/// What one tile computes: `C = init + A·B (+ bias)` over `k` steps. Its one or two registers of columns may lie apart.
pub(crate) struct Tile<T> {
    pub k: usize,
    /// Row `i`, step `s` of A is at `a + i·a_row + s·a_step`; a packed panel has `a_row = 1`, `a_step = rows`. With a
    /// table, `s` is what it says for the step.
    pub a: *const T,
    pub a_row: usize,
    pub a_step: usize,
    /// Step `s` of each register of B is at `b + s·b_step`.
    pub b: [*const T; 2],
    pub b_step: usize,
    /// For [`Walk::Table`] and [`Walk::Gathered`]: where in A, or in A and B, each of the `k` steps is.
    pub table: *const Step,
    /// Row `i` of each register of C is at `c + i·c_row`.
    pub c: [*mut T; 2],
    pub c_row: usize,
    /// What comes after this tile.
    pub next: Next<T>,
    /// Columns of each register that exist in C; B has all of them.
    pub lanes: [usize; 2],
    /// Continue the chains that C holds instead of starting at zero.
    pub resume: bool,
    /// One value per column of each register, or null; added after the last step.
    pub row_bias: [*const T; 2],
    /// One value per row, or null; added after the last step.
    pub col_bias: *const T,
    /// What results are then bounded by; `(0, ∞)` is ReLU.
    pub bounds: Option<(T, T)>,
}

/// What is brought near while a tile computes: the hardware foresees neither.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next<T> {
    /// Where the next tile begins in C, or null. For [`Walk::Packed`].
    pub c: *const T,
    /// A part of the next panel of A or B, or null. Not for the walks along a table.
    pub far: *const T,
    /// Elements of that part per [`TURN`] steps of this tile.
    pub far_turn: usize,
}

impl<T> Next<T> {
    /// Nothing.
    pub const NONE: Next<T> = Next { c: std::ptr::null(), far: std::ptr::null(), far_turn: 0 };
}

/// One step of a tile that does not find its operands in a row. Both numbers are loaded at once: tiles of one register
/// read so much that another load would hold them up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step(u64);

impl Step {
    /// `a` says where the step is in A, in multiples of the tile's `a_step` (the number of the step in a packed panel),
    /// `b` how many elements it is from the start of a register's columns to those of the step.
    pub fn new(a: u32, b: i32) -> Step {
        Step(u64::from(b.cast_unsigned()) << 32 | u64::from(a))
    }

    #[inline(always)]
    fn a(self) -> usize {
        (self.0 as u32) as usize
    }

    #[inline(always)]
    fn b(self) -> isize {
        (self.0.cast_signed() >> 32) as isize
    }
}

/// The ways of [`Walk`].
const WALKS: usize = 4;

/// How a tile goes from step to step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// The steps of A lie side by side, as in a row-major matrix; its rows by their stride.
    Rows,
    /// The rows of A lie side by side, as in a packed panel; steps by their stride.
    Packed,
    /// As packed, but the table says where the steps are in A and B.
    Table,
    /// As rows, but the table says where the steps are in A.
    Gathered,
}

/// # Safety
/// The instruction set of the kernel is available, and every pointer of the tile is valid for the tile's size.
type TileFn<T> = unsafe fn(&Tile<T>, *mut T);

/// # Safety
/// As [`TileFn`], for the stream's rows, steps and columns.
type StreamFn<T> = unsafe fn(&Stream<T>);

/// The tiles of one instruction set.
pub(crate) struct Kernels<T: 'static> {
    /// Lanes of a register; a tile is one or two registers wide.
    pub lanes: usize,
    /// `tiles[rows - 1][registers - 1][walk]`.
    tiles: &'static [[[TileFn<T>; WALKS]; 2]],
    /// Those of two registers that pack B: `packing[rows - 1][walk]`.
    packing: &'static [[TileFn<T>; 2]],
    /// `streams[rows - 1]`.
    streams: [StreamFn<T>; FEW],
}

impl<T> Kernels<T> {
    /// Rows of the tallest tile.
    pub fn rows(&self) -> usize {
        self.tiles.len()
    }

    /// Columns of the widest tile.
    pub fn columns(&self) -> usize {
        2 * self.lanes
    }

    /// Computes a tile of `rows` rows and `registers` vectors.
    ///
    /// # Safety
    /// As [`TileFn`]; B has `registers · lanes` columns, C those that `lanes` of the tile says, A is what `walk` says.
    pub unsafe fn compute(&self, rows: usize, registers: usize, walk: Walk, tile: &Tile<T>) {
        // SAFETY: the caller's promise.
        unsafe { self.tiles[rows - 1][registers - 1][walk as usize](tile, std::ptr::null_mut()) }
    }

    /// As [`compute`](Self::compute) for two registers whose columns lie side by side; their steps are stored at `to`,
    /// one after the other, as the tiles below want to read them. So a matrix is packed at no cost but the way to
    /// memory.
    ///
    /// # Safety
    /// As [`compute`](Self::compute), and there is room for `k` steps at `to`. No walk along a table.
    pub unsafe fn compute_and_pack(&self, rows: usize, walk: Walk, tile: &Tile<T>, to: *mut T) {
        // SAFETY: the caller's promise.
        unsafe { self.packing[rows - 1][walk as usize](tile, to) }
    }

    /// Adds the steps of B to up to [`FEW`] rows.
    ///
    /// # Safety
    /// As [`StreamFn`].
    pub(super) unsafe fn stream(&self, rows: usize, stream: &Stream<T>) {
        // SAFETY: the caller's promise.
        unsafe { self.streams[rows - 1](stream) }
    }
}

/// Steps of one turn of the loop. The fewer additions and branches there are beside the multiply-adds, the better.
pub(crate) const TURN: usize = 4;
/// Steps that B is asked for ahead: it comes from the second-level cache, whose delay the processor does not hide.
const B_AHEAD: usize = 8;
/// The same while B is packed, for it comes from further away.
const B_FAR_AHEAD: usize = 16;
/// Tiles of fewer steps ask for nothing: most of it would lie behind their end.
const SHORT: usize = 32;
/// Steps that a packed panel of A is asked for ahead. (The rows of an unpacked one the hardware follows by itself.)
const A_AHEAD: usize = 16;

/// Asks for a cache line that is needed soon; any address will do.
#[inline(always)]
pub(super) fn prefetch<T>(line: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and it never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// The same for one that is needed later, and is to wait in the second-level cache.
#[inline(always)]
pub(super) fn prefetch_far<T>(line: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and it never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// The same pointer, of which the compiler knows nothing. It would otherwise go from row to row by additions that wait
/// for each other, 14 in every step.
#[inline(always)]
#[allow(clippy::pointers_in_nomem_asm_block)] // it is not followed
fn opaque<T>(pointer: *const T) -> *const T {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
    // SAFETY: no instruction at all.
    unsafe {
        let mut pointer = pointer;
        std::arch::asm!("/* {0} */", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags));
        pointer
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
    pointer
}

/// The accumulators are indexed by plain loops over constants: iterators are not always unrolled, and the sums would
/// live in memory.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
unsafe fn tile<V: Vector, const ROWS: usize, const REGISTERS: usize, const WALK: usize, const PACKS: bool>(
    t: &Tile<V::Element>,
    mut to: *mut V::Element,
) {
    // SAFETY: all addresses lie inside the panels and the tile of C (the contract of `TileFn`).
    unsafe {
        let mut acc = [[V::splat(V::Element::default()); REGISTERS]; ROWS];
        let whole = t.lanes[..REGISTERS].iter().all(|&lanes| lanes == V::LANES);
        if t.resume {
            for i in 0..ROWS {
                for j in 0..REGISTERS {
                    let c = t.c[j].add(i * t.c_row);
                    acc[i][j] = if whole { V::load(c) } else { V::load_part(c, t.lanes[j]) };
                }
            }
        }
        let a_row = if WALK == Walk::Rows as usize || WALK == Walk::Gathered as usize { t.a_row } else { 1 };
        let (mut a, mut b, mut table) = (t.a, t.b, t.table);
        let (a_step, b_step) = (t.a_step, t.b_step);
        let a_ahead = if t.next.far.is_null() { 0 } else { A_AHEAD * a_step };
        // What is not wanted long enough is found where it is.
        let b_ahead = match PACKS {
            _ if t.k < SHORT => 0,
            true => B_FAR_AHEAD * b_step,
            false => B_AHEAD * b_step,
        };
        // A row is what the processor adds to one of three pointers: 0, 1, 2 or 4 times a register, or 3 times.
        let (mut a_5, mut a_10) = (a.wrapping_add(5 * a_row), a.wrapping_add(10 * a_row));
        // Without a next tile the prefetches find what is there: cheaper than a second kernel.
        let mut next_c = if t.next.c.is_null() { t.c[0].cast_const() } else { t.next.c };
        let mut next_far = if t.next.far.is_null() { t.a } else { t.next.far };
        let (mut next_rows, mut next_row) = (ROWS, t.c_row);
        macro_rules! step {
            ($number:literal) => {
                if WALK == Walk::Table as usize {
                    let step = *table;
                    table = table.add(1);
                    a = t.a.add(step.a() * a_step);
                    for j in 0..REGISTERS {
                        b[j] = t.b[j].wrapping_offset(step.b());
                    }
                }
                if WALK == Walk::Gathered as usize {
                    a = t.a.add((*table).a());
                    table = opaque(table.add(1));
                }
                if WALK != Walk::Rows as usize {
                    (a_5, a_10) = (a.wrapping_add(5 * a_row), a.wrapping_add(10 * a_row));
                }
                let mut columns = [V::splat(V::Element::default()); REGISTERS];
                for j in 0..REGISTERS {
                    columns[j] = V::load(b[j]);
                }
                if PACKS {
                    for j in 0..REGISTERS {
                        columns[j].store(to.add(j * V::LANES));
                    }
                    to = opaque(to.wrapping_add(REGISTERS * V::LANES)).cast_mut();
                }
                if WALK != Walk::Table as usize {
                    for j in 0..REGISTERS {
                        // One register is read slowly enough.
                        if REGISTERS > 1 {
                            prefetch(b[j].wrapping_add(b_ahead));
                        }
                        b[j] = opaque(b[j].wrapping_add(b_step));
                    }
                }
                if WALK == Walk::Packed as usize {
                    prefetch(a.wrapping_add(a_ahead));
                    if $number == 1 {
                        prefetch(next_c);
                        prefetch(next_c.wrapping_add((REGISTERS - 1) * V::LANES));
                        next_rows = next_rows.wrapping_sub(1);
                        next_row = if next_rows == 0 { 0 } else { next_row };
                        next_c = opaque(next_c.wrapping_add(next_row));
                    }
                }
                if WALK < Walk::Table as usize && $number == 3 {
                    prefetch_far(next_far);
                    next_far = opaque(next_far.wrapping_add(t.next.far_turn));
                }
                // In place, the steps of a turn are displacements.
                let step = if WALK == Walk::Rows as usize { $number } else { 0 };
                macro_rules! five_rows {
                    ($first:literal, $a:expr) => {
                        for i in $first..const { if ROWS < $first + 5 { ROWS } else { $first + 5 } } {
                            let x = V::splat(*$a.wrapping_add((i - $first) * a_row + step));
                            for j in 0..REGISTERS {
                                acc[i][j] = x.mul_add(columns[j], acc[i][j]);
                            }
                        }
                    };
                }
                five_rows!(0, a);
                five_rows!(5, a_5);
                five_rows!(10, a_10);
                if WALK == Walk::Packed as usize {
                    a = opaque(a.wrapping_add(a_step));
                }
            };
        }
        macro_rules! go_on {
            ($steps:expr) => {
                if WALK == Walk::Rows as usize {
                    a = opaque(a.wrapping_add($steps));
                    a_5 = opaque(a_5.wrapping_add($steps));
                    a_10 = opaque(a_10.wrapping_add($steps));
                }
            };
        }
        if WALK == Walk::Gathered as usize {
            // Not unrolled: where the inputs of a step are is known late, and the compiler would mix the steps and run out
            // of registers.
            for _ in 0..t.k {
                step!(0);
            }
        } else {
            for _ in 0..t.k / TURN {
                step!(0);
                step!(1);
                step!(2);
                step!(3);
                go_on!(TURN);
            }
            for _ in 0..t.k % TURN {
                step!(0);
                go_on!(1);
            }
        }
        if !t.row_bias[0].is_null() {
            for j in 0..REGISTERS {
                let bias = V::load_part(t.row_bias[j], t.lanes[j]);
                for i in 0..ROWS {
                    acc[i][j] = acc[i][j].add(bias);
                }
            }
        }
        if !t.col_bias.is_null() {
            for i in 0..ROWS {
                let bias = V::splat(*t.col_bias.add(i));
                for j in 0..REGISTERS {
                    acc[i][j] = acc[i][j].add(bias);
                }
            }
        }
        if let Some((low, high)) = t.bounds {
            let (low, high) = (V::splat(low), V::splat(high));
            for i in 0..ROWS {
                for j in 0..REGISTERS {
                    acc[i][j] = acc[i][j].bounded(low, high);
                }
            }
        }
        for i in 0..ROWS {
            for j in 0..REGISTERS {
                let c = t.c[j].add(i * t.c_row);
                if whole { acc[i][j].store(c) } else { acc[i][j].store_part(c, t.lanes[j]) }
            }
        }
    }
}

macro_rules! kernels {
    ($(#[$attribute:meta])* $name:ident: $vector:ty, $element:ty, [$($rows:literal)*]) => {
        static $name: Kernels<$element> = {
            $(#[$attribute])*
            unsafe fn compiled<const ROWS: usize, const REGISTERS: usize, const WALK: usize, const PACKS: bool>(
                t: &Tile<$element>,
                to: *mut $element,
            ) {
                // SAFETY: the contract of `TileFn`.
                unsafe { tile::<$vector, ROWS, REGISTERS, WALK, PACKS>(t, to) }
            }
            $(#[$attribute])*
            unsafe fn streamed<const ROWS: usize>(s: &Stream<$element>) {
                // SAFETY: the contract of `StreamFn`.
                unsafe { stream::<$vector, ROWS>(s) }
            }
            Kernels {
                lanes: <$vector as Vector>::LANES,
                tiles: &[$([
                    [
                        compiled::<$rows, 1, 0, false>,
                        compiled::<$rows, 1, 1, false>,
                        compiled::<$rows, 1, 2, false>,
                        compiled::<$rows, 1, 3, false>,
                    ],
                    [
                        compiled::<$rows, 2, 0, false>,
                        compiled::<$rows, 2, 1, false>,
                        compiled::<$rows, 2, 2, false>,
                        compiled::<$rows, 2, 3, false>,
                    ],
                ]),*],
                packing: &[$([compiled::<$rows, 2, 0, true>, compiled::<$rows, 2, 1, true>]),*],
                streams: [streamed::<1>, streamed::<2>],
            }
        };
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::vector::x86::*;
    use super::*;
    kernels!(#[target_feature(enable = "avx2,fma")] AVX2_F32: F32x8, f32, [1 2 3 4 5 6]);
    kernels!(#[target_feature(enable = "avx2,fma")] AVX2_F64: F64x4, f64, [1 2 3 4 5 6]);
    kernels!(#[target_feature(enable = "avx512f")] AVX512_F32: F32x16, f32, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
    kernels!(#[target_feature(enable = "avx512f")] AVX512_F64: F64x8, f64, [1 2 3 4 5 6 7 8 9 10 11 12 13 14]);
    pub static F32: [&Kernels<f32>; 2] = [&AVX512_F32, &AVX2_F32];
    pub static F64: [&Kernels<f64>; 2] = [&AVX512_F64, &AVX2_F64];
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::super::vector::arm::*;
    use super::*;
    kernels!(#[target_feature(enable = "neon")] NEON_F32: F32x4, f32, [1 2 3 4 5 6 7 8 9 10 11 12]);
    kernels!(#[target_feature(enable = "neon")] NEON_F64: F64x2, f64, [1 2 3 4 5 6 7 8 9 10 11 12]);
    pub static F32: &Kernels<f32> = &NEON_F32;
    pub static F64: &Kernels<f64> = &NEON_F64;
}

kernels!(SCALAR_F32: super::vector::Plain<f32>, f32, [1 2 3 4]);
kernels!(SCALAR_F64: super::vector::Plain<f64>, f64, [1 2 3 4]);

macro_rules! choose {
    ($name:ident, $element:ty, $table:ident, $scalar:ident) => {
        /// The kernels for an instruction set that this machine has.
        pub(super) fn $name(isa: Isa) -> &'static Kernels<$element> {
            match isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => x86::$table[0],
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => x86::$table[1],
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => arm::$table,
                Isa::Scalar => &$scalar,
            }
        }
    };
}
choose!(kernels_f32, f32, F32, SCALAR_F32);
choose!(kernels_f64, f64, F64, SCALAR_F64);
