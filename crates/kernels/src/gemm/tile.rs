//! The register tile: `rows × columns` outputs, each one chain of fused multiply-adds in the order of k.

use super::vector::Vector;
use crate::simd::Isa;

/// What one tile computes: `C = init + A·B (+ bias)` over `k` steps.
pub(crate) struct Tile<T> {
    pub k: usize,
    /// Row `i`, step `s` of A is at `a + i·a_row + s·a_step`; a packed panel has `a_row = 1`, `a_step = rows`.
    pub a: *const T,
    pub a_row: usize,
    pub a_step: usize,
    /// Step `s` of B is a contiguous row at `b + s·b_step`.
    pub b: *const T,
    pub b_step: usize,
    pub c: *mut T,
    pub c_row: usize,
    /// Continue the chains that C holds instead of starting at zero.
    pub resume: bool,
    /// One value per column, or null; added after the last step.
    pub row_bias: *const T,
    /// One value per row, or null; added after the last step.
    pub col_bias: *const T,
}

/// # Safety
/// The instruction set of the kernel is available, and every pointer of the tile is valid for the tile's size.
type TileFn<T> = unsafe fn(&Tile<T>);

/// The tiles of one instruction set.
pub(crate) struct Kernels<T: 'static> {
    /// Lanes of a register; a tile is one or two registers wide.
    pub lanes: usize,
    /// `tiles[rows - 1][registers - 1][packed]`.
    tiles: &'static [[[TileFn<T>; 2]; 2]],
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

    /// Computes a tile of `rows` rows and `registers` vectors; `packed` promises that A is a packed panel.
    ///
    /// # Safety
    /// As [`TileFn`]; C and B have `registers · lanes` columns.
    pub unsafe fn compute(&self, rows: usize, registers: usize, packed: bool, tile: &Tile<T>) {
        // SAFETY: the caller's promise.
        unsafe { self.tiles[rows - 1][registers - 1][usize::from(packed)](tile) }
    }
}

#[inline(always)]
#[allow(clippy::needless_range_loop)]
unsafe fn tile<V: Vector, const ROWS: usize, const REGISTERS: usize, const PACKED: bool>(t: &Tile<V::Element>)
where
    V::Element: Default,
{
    // SAFETY: all addresses lie inside the panels and the tile of C (the contract of `TileFn`).
    unsafe {
        // Plain loops over constants: iterators are not always unrolled, and the accumulators would live in memory.
        let mut acc = [[V::splat(V::Element::default()); REGISTERS]; ROWS];
        if t.resume {
            for i in 0..ROWS {
                for j in 0..REGISTERS {
                    acc[i][j] = V::load(t.c.add(i * t.c_row + j * V::LANES));
                }
            }
        }
        let (a_row, a_step) = if PACKED { (1, ROWS) } else { (t.a_row, t.a_step) };
        let (mut a, mut b) = (t.a, t.b);
        for _ in 0..t.k {
            let mut columns = [V::splat(V::Element::default()); REGISTERS];
            for j in 0..REGISTERS {
                columns[j] = V::load(b.add(j * V::LANES));
            }
            for i in 0..ROWS {
                let x = V::splat(*a.add(i * a_row));
                for j in 0..REGISTERS {
                    acc[i][j] = x.mul_add(columns[j], acc[i][j]);
                }
            }
            a = a.wrapping_add(a_step);
            b = b.wrapping_add(t.b_step);
        }
        for i in 0..ROWS {
            for j in 0..REGISTERS {
                let mut sum = acc[i][j];
                if !t.row_bias.is_null() {
                    sum = sum.add(V::load(t.row_bias.add(j * V::LANES)));
                }
                if !t.col_bias.is_null() {
                    sum = sum.add(V::splat(*t.col_bias.add(i)));
                }
                sum.store(t.c.add(i * t.c_row + j * V::LANES));
            }
        }
    }
}

macro_rules! kernels {
    ($(#[$attribute:meta])* $name:ident: $vector:ty, $element:ty, [$($rows:literal)*]) => {
        static $name: Kernels<$element> = {
            $(#[$attribute])*
            unsafe fn compiled<const ROWS: usize, const REGISTERS: usize, const PACKED: bool>(t: &Tile<$element>) {
                // SAFETY: the contract of `TileFn`.
                unsafe { tile::<$vector, ROWS, REGISTERS, PACKED>(t) }
            }
            Kernels {
                lanes: <$vector as Vector>::LANES,
                tiles: &[$([
                    [compiled::<$rows, 1, false>, compiled::<$rows, 1, true>],
                    [compiled::<$rows, 2, false>, compiled::<$rows, 2, true>],
                ]),*],
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
