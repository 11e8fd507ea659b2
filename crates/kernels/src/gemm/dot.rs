//! The dot tile: products of rows with rows, both contiguous, in sixteen partial sums each.
//!
//! Sum `l` of a product is one chain of fused multiply-adds over every sixteenth element from `l` on, so it does not
//! depend on how many of the sixteen a register holds.

use super::vector::Vector;
use crate::simd::Isa;

/// Partial sums of a product.
pub(crate) const LANES: usize = 16;

/// What one tile computes: `sums[i][j][l] += Σ a[i][s·16 + l] · b[j][s·16 + l]` over all steps `s` of some runs.
pub(crate) struct Dots<T> {
    pub runs: usize,
    /// Elements from the start of a run in A to that of the next, and in B.
    pub a_run: usize,
    pub b_run: usize,
    /// Steps of a run.
    pub steps: usize,
    /// Row `i` of A starts at `a + i·a_row`.
    pub a: *const T,
    pub a_row: usize,
    /// Row `j` of B starts at `b + j·b_row`.
    pub b: *const T,
    pub b_row: usize,
    /// `[rows of A][rows of B][LANES]`
    pub sums: *mut T,
}

/// # Safety
/// The instruction set of the kernel is available, and every pointer is valid for the rows, the runs and the steps.
type DotFn<T> = unsafe fn(&Dots<T>);

/// The dot tiles of one instruction set.
pub(crate) struct DotKernels<T: 'static> {
    /// The largest tile.
    pub rows: usize,
    pub columns: usize,
    /// `tiles[rows - 1][columns - 1]`
    tiles: &'static [&'static [DotFn<T>]],
}

impl<T> DotKernels<T> {
    /// Computes a tile of `rows` rows of A and `columns` rows of B.
    ///
    /// # Safety
    /// As [`DotFn`].
    pub unsafe fn compute(&self, rows: usize, columns: usize, dots: &Dots<T>) {
        // SAFETY: the caller's promise.
        unsafe { self.tiles[rows - 1][columns - 1](dots) }
    }
}

/// Plain loops over constants keep the sums in registers, as in the other tile.
#[inline(always)]
#[allow(clippy::needless_range_loop)]
unsafe fn dots<V: Vector, const ROWS: usize, const COLUMNS: usize>(d: &Dots<V::Element>) {
    // SAFETY: all addresses lie inside the rows and the sums (the contract of `DotFn`).
    unsafe {
        for part in (0..LANES).step_by(V::LANES) {
            let mut acc = [[V::splat(V::Element::default()); COLUMNS]; ROWS];
            for i in 0..ROWS {
                for j in 0..COLUMNS {
                    acc[i][j] = V::load(d.sums.add((i * COLUMNS + j) * LANES + part));
                }
            }
            for run in 0..d.runs {
                let (mut a, mut b) = (d.a.add(run * d.a_run + part), d.b.add(run * d.b_run + part));
                for _ in 0..d.steps {
                    let mut right = [V::splat(V::Element::default()); COLUMNS];
                    for j in 0..COLUMNS {
                        right[j] = V::load(b.add(j * d.b_row));
                    }
                    for i in 0..ROWS {
                        let left = V::load(a.add(i * d.a_row));
                        for j in 0..COLUMNS {
                            acc[i][j] = left.mul_add(right[j], acc[i][j]);
                        }
                    }
                    a = a.wrapping_add(LANES);
                    b = b.wrapping_add(LANES);
                }
            }
            for i in 0..ROWS {
                for j in 0..COLUMNS {
                    acc[i][j].store(d.sums.add((i * COLUMNS + j) * LANES + part));
                }
            }
        }
    }
}

macro_rules! kernels {
    ($(#[$attribute:meta])* $name:ident: $vector:ty, $element:ty, $rows:tt by $columns:tt) => {
        static $name: DotKernels<$element> = {
            $(#[$attribute])*
            unsafe fn compiled<const ROWS: usize, const COLUMNS: usize>(d: &Dots<$element>) {
                // SAFETY: the contract of `DotFn`.
                unsafe { dots::<$vector, ROWS, COLUMNS>(d) }
            }
            kernels!(@table $rows by $columns)
        };
    };
    (@table [$($row:literal)*] by $columns:tt) => {{
        let tiles: &[&[DotFn<_>]] = &[$(kernels!(@row $row by $columns)),*];
        DotKernels { rows: tiles.len(), columns: tiles[0].len(), tiles }
    }};
    (@row $row:literal by [$($column:literal)*]) => { &[$(compiled::<$row, $column>),*] };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::vector::x86::*;
    use super::*;
    kernels!(#[target_feature(enable = "avx2,fma")] AVX2_F32: F32x8, f32, [1 2 3] by [1 2 3 4]);
    kernels!(#[target_feature(enable = "avx2,fma")] AVX2_F64: F64x4, f64, [1 2 3] by [1 2 3 4]);
    kernels!(#[target_feature(enable = "avx512f")] AVX512_F32: F32x16, f32, [1 2 3 4] by [1 2 3 4 5 6]);
    kernels!(#[target_feature(enable = "avx512f")] AVX512_F64: F64x8, f64, [1 2 3 4] by [1 2 3 4 5 6]);
    pub static F32: [&DotKernels<f32>; 2] = [&AVX512_F32, &AVX2_F32];
    pub static F64: [&DotKernels<f64>; 2] = [&AVX512_F64, &AVX2_F64];
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::super::vector::arm::*;
    use super::*;
    kernels!(#[target_feature(enable = "neon")] NEON_F32: F32x4, f32, [1 2 3 4] by [1 2 3 4]);
    kernels!(#[target_feature(enable = "neon")] NEON_F64: F64x2, f64, [1 2 3 4] by [1 2 3 4]);
    pub static F32: &DotKernels<f32> = &NEON_F32;
    pub static F64: &DotKernels<f64> = &NEON_F64;
}

kernels!(SCALAR_F32: super::vector::Plain<f32>, f32, [1 2] by [1 2]);
kernels!(SCALAR_F64: super::vector::Plain<f64>, f64, [1 2] by [1 2]);

macro_rules! choose {
    ($name:ident, $element:ty, $table:ident, $scalar:ident) => {
        /// The dot tiles for an instruction set that this machine has.
        pub(super) fn $name(isa: Isa) -> &'static DotKernels<$element> {
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
choose!(dots_f32, f32, F32, SCALAR_F32);
choose!(dots_f64, f64, F64, SCALAR_F64);
