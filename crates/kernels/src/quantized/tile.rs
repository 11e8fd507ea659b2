//! The tile: exact sums of products of up to 6 positions with up to 64 output channels, in registers.
//!
//! Three ways to the same integers. AVX-512 VNNI multiplies and adds four bytes at once. AVX2 has `vpmaddubsw`, whose sums
//! of two products saturate at 16 bits; so the bytes are widened to 16 bits, and `vpmaddwd` adds pairs of products in 32.
//! Everything else does what the sums say.

use super::DEPTH;
use crate::simd::Isa;

/// The most positions of a tile.
pub(super) const ROWS: usize = 6;
/// Output channels of a register.
pub(super) const LANES: usize = 16;
/// The most registers of a tile, and its output channels.
pub(super) const REGISTERS: usize = 4;
pub(super) const PANEL: usize = REGISTERS * LANES;

/// The sums of a tile.
pub(super) type Sums = [[i32; PANEL]; ROWS];

/// The offset of what lies outside of the image.
pub(super) const OUTSIDE: usize = usize::MAX;

/// What a tile multiplies.
pub(super) struct Tile<'a> {
    pub x: &'a [u8],
    /// For each kernel element, where the bytes of the tile's positions begin in `x`, or [`OUTSIDE`].
    pub offsets: &'a [[usize; ROWS]],
    /// The bytes of what lies outside.
    pub outside: &'a [u8],
    /// Bytes of a position for each kernel element: a multiple of four.
    pub depth: usize,
    /// A panel (see `pack.rs`).
    pub weights: &'a [i8],
    /// Positions.
    pub rows: usize,
    /// Registers of the panel.
    pub registers: usize,
}

/// How the sums are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    #[cfg(target_arch = "x86_64")]
    Vnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

impl Way {
    /// The best way within an instruction set that the machine has.
    pub fn of(isa: Isa) -> Way {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if has_vnni() => Way::Vnni,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx2 => Way::Avx2,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Way::Plain,
            Isa::Scalar => Way::Plain,
        }
    }
}

/// Whether the machine has all that the functions for AVX-512 are compiled for.
#[cfg(target_arch = "x86_64")]
fn has_vnni() -> bool {
    is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vnni")
}

impl Tile<'_> {
    /// The first `rows` rows and `registers · 16` columns of `sums`; others may hold anything.
    pub fn multiply(&self, way: Way, sums: &mut Sums) {
        assert!((1..=ROWS).contains(&self.rows) && (1..=REGISTERS).contains(&self.registers));
        assert!(self.depth.is_multiple_of(DEPTH) && self.depth <= self.outside.len());
        assert_eq!(self.weights.len(), self.offsets.len() * self.depth * self.registers * LANES, "length of a panel");
        let inside = |&offset: &usize| offset == OUTSIDE || offset + self.depth <= self.x.len();
        debug_assert!(self.offsets.iter().flatten().all(inside));
        match way {
            // SAFETY: a way other than the plain one is only ever made for a machine that has it; the assertions above hold
            // what is read within the slices, and whoever makes offsets keeps them within `x`.
            #[cfg(target_arch = "x86_64")]
            Way::Vnni => unsafe { self.vnni_of_size(sums) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Way::Avx2 => unsafe { self.avx2_of_size(sums) },
            Way::Plain => self.plain(sums),
        }
    }

    fn plain(&self, sums: &mut Sums) {
        let width = self.registers * LANES;
        for (row, sums) in sums.iter_mut().enumerate().take(self.rows) {
            let sums = &mut sums[..width];
            sums.fill(0);
            let mut weights = self.weights.chunks_exact(width * DEPTH);
            for offsets in self.offsets {
                let x = match offsets[row] {
                    OUTSIDE => &self.outside[..self.depth],
                    offset => &self.x[offset..offset + self.depth],
                };
                for (x, weights) in x.as_chunks::<DEPTH>().0.iter().zip(&mut weights) {
                    for (sum, weights) in sums.iter_mut().zip(weights.as_chunks::<DEPTH>().0) {
                        *sum += x.iter().zip(weights).map(|(&x, &w)| i32::from(x) * i32::from(w)).sum::<i32>();
                    }
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    /// Calls a function for constant numbers of rows and registers.
    macro_rules! of_size {
        ($tile:ident, $sums:ident, $function:ident, $($rows:literal)*) => {
            // SAFETY: the caller's promises.
            unsafe {
                match ($tile.rows, $tile.registers) {
                    $(($rows, 1) => $tile.$function::<$rows, 1>($sums),
                    ($rows, 2) => $tile.$function::<$rows, 2>($sums),
                    ($rows, 3) => $tile.$function::<$rows, 3>($sums),
                    ($rows, 4) => $tile.$function::<$rows, 4>($sums),)*
                    size => unreachable!("a tile of {size:?}"),
                }
            }
        };
    }

    impl Tile<'_> {
        /// # Safety
        /// The offsets lie within `x`.
        #[inline(always)]
        unsafe fn at(&self, offset: usize) -> *const u8 {
            match offset {
                OUTSIDE => self.outside.as_ptr(),
                // SAFETY: the caller's promise.
                offset => unsafe { self.x.as_ptr().add(offset) },
            }
        }

        /// # Safety
        /// The machine has AVX-512 VNNI; offsets and lengths are as `multiply` says.
        pub(super) unsafe fn vnni_of_size(&self, sums: &mut Sums) {
            of_size!(self, sums, vnni, 1 2 3 4 5 6)
        }

        /// # Safety
        /// As `vnni_of_size`, for tiles of this size.
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
        #[allow(clippy::needless_range_loop)] // plain loops over constants are always unrolled
        unsafe fn vnni<const M: usize, const R: usize>(&self, sums: &mut Sums) {
            let mut totals = [[_mm512_setzero_si512(); R]; M];
            let mut weights = self.weights.as_ptr();
            for offsets in self.offsets {
                let mut rows = [std::ptr::null::<u8>(); M];
                for i in 0..M {
                    // SAFETY: the caller's promise.
                    rows[i] = unsafe { self.at(offsets[i]) };
                }
                for c in (0..self.depth).step_by(DEPTH) {
                    let mut w = [_mm512_setzero_si512(); R];
                    for r in 0..R {
                        // SAFETY: a panel has R registers for each four bytes of each kernel element.
                        w[r] = unsafe { _mm512_loadu_si512(weights.add(r * 64).cast()) };
                    }
                    for i in 0..M {
                        // SAFETY: a position has `depth` bytes, a multiple of four.
                        let x = _mm512_set1_epi32(unsafe { rows[i].add(c).cast::<i32>().read_unaligned() });
                        for r in 0..R {
                            totals[i][r] = _mm512_dpbusd_epi32(totals[i][r], x, w[r]);
                        }
                    }
                    weights = weights.wrapping_add(R * 64);
                }
            }
            for i in 0..M {
                for r in 0..R {
                    // SAFETY: a row of sums has four registers.
                    unsafe { _mm512_storeu_si512(sums[i].as_mut_ptr().add(r * LANES).cast(), totals[i][r]) };
                }
            }
        }

        /// # Safety
        /// The machine has AVX2; offsets and lengths are as `multiply` says.
        pub(super) unsafe fn avx2_of_size(&self, sums: &mut Sums) {
            for register in 0..self.registers {
                for first in (0..self.rows).step_by(2) {
                    // SAFETY: the caller's promises.
                    unsafe {
                        match self.rows - first {
                            1 => self.avx2::<1>(first, register, sums),
                            _ => self.avx2::<2>(first, register, sums),
                        }
                    }
                }
            }
        }

        /// `M` rows of one register. Each output channel has two sums, of the first two and the last two of every four
        /// products, which are added at the end.
        ///
        /// # Safety
        /// As `avx2_of_size`, for rows and a register that the tile has.
        #[target_feature(enable = "avx2")]
        #[allow(clippy::needless_range_loop)] // plain loops over constants are always unrolled
        unsafe fn avx2<const M: usize>(&self, first: usize, register: usize, sums: &mut Sums) {
            let mut totals = [[_mm256_setzero_si256(); 4]; M];
            let mut weights = self.weights.as_ptr().wrapping_add(register * 64);
            for offsets in self.offsets {
                let mut rows = [std::ptr::null::<u8>(); M];
                for i in 0..M {
                    // SAFETY: the caller's promise.
                    rows[i] = unsafe { self.at(offsets[first + i]) };
                }
                for c in (0..self.depth).step_by(DEPTH) {
                    let mut x = [_mm256_setzero_si256(); M];
                    for i in 0..M {
                        // SAFETY: a position has `depth` bytes, a multiple of four.
                        let bytes = _mm_cvtsi32_si128(unsafe { rows[i].add(c).cast::<i32>().read_unaligned() });
                        x[i] = _mm256_broadcastq_epi64(_mm_cvtepu8_epi16(bytes));
                    }
                    for quarter in 0..4 {
                        // SAFETY: a panel has its registers for each four bytes of each kernel element.
                        let w = unsafe { _mm_loadu_si128(weights.add(quarter * 16).cast()) };
                        let w = _mm256_cvtepi8_epi16(w);
                        for i in 0..M {
                            totals[i][quarter] = _mm256_add_epi32(totals[i][quarter], _mm256_madd_epi16(x[i], w));
                        }
                    }
                    weights = weights.wrapping_add(self.registers * 64);
                }
            }
            for i in 0..M {
                for half in 0..2 {
                    let pairs = _mm256_hadd_epi32(totals[i][2 * half], totals[i][2 * half + 1]);
                    let ordered = _mm256_permute4x64_epi64::<0xD8>(pairs);
                    let to = &mut sums[first + i][register * LANES + 8 * half..][..8];
                    // SAFETY: eight sums are one register.
                    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), ordered) };
                }
            }
        }
    }
}
