//! Rows to interleaved lanes, the inner loop of packing a side whose steps are contiguous, and back.

use crate::number::Number;
#[cfg(target_arch = "x86_64")]
use crate::simd::{Isa, isa};

/// Rows that are interleaved together.
pub(crate) const ROWS: usize = 8;

/// `to[s·width + j] = rows[j][s]` for every step `s` of the eight rows, in the order of the steps.
///
/// # Panics
/// If the rows differ in length or `to` ends before the last step's eighth lane.
pub(super) fn interleave_plain<T: Number>(rows: [&[T]; ROWS], width: usize, to: &mut [T]) {
    for s in 0..rows[0].len() {
        for (to, row) in to[s * width..][..ROWS].iter_mut().zip(rows) {
            *to = row[s];
        }
    }
}

/// [`interleave_plain`] for `f32`, with the best instruction set.
pub(super) fn interleave_f32(rows: [&[f32]; ROWS], width: usize, to: &mut [f32]) {
    let steps = rows[0].len();
    #[cfg(target_arch = "x86_64")]
    if steps > 0 && isa() != Isa::Scalar {
        assert!(rows.iter().all(|row| row.len() == steps) && to.len() >= (steps - 1) * width + ROWS);
        // SAFETY: both instruction sets have AVX2, and the lengths were just checked.
        return unsafe { x86::interleave_f32(rows.map(<[f32]>::as_ptr), steps, width, to.as_mut_ptr()) };
    }
    interleave_plain(rows, width, to);
}

/// `rows[j][s] = from[s·width + j]` for every step `s` of the eight rows: the inverse of [`interleave_plain`].
///
/// # Panics
/// If the rows differ in length or `from` ends before the last step's eighth lane.
pub(super) fn deal_plain<T: Number>(from: &[T], width: usize, rows: [&mut [T]; ROWS]) {
    for (j, row) in rows.into_iter().enumerate() {
        for (s, to) in row.iter_mut().enumerate() {
            *to = from[s * width + j];
        }
    }
}

/// [`deal_plain`] for `f32`, with the best instruction set.
pub(super) fn deal_f32(from: &[f32], width: usize, rows: [&mut [f32]; ROWS]) {
    let steps = rows[0].len();
    #[cfg(target_arch = "x86_64")]
    if steps > 0 && isa() != Isa::Scalar {
        assert!(rows.iter().all(|row| row.len() == steps) && from.len() >= (steps - 1) * width + ROWS);
        // SAFETY: both instruction sets have AVX2, and the lengths were just checked.
        return unsafe { x86::deal_f32(from.as_ptr(), width, steps, rows.map(<[f32]>::as_mut_ptr)) };
    }
    deal_plain(from, width, rows);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::ROWS;
    use std::arch::x86_64::*;

    /// [`interleave_plain`](super::interleave_plain), eight steps at a time.
    ///
    /// # Safety
    /// The machine has AVX2; the rows have `steps` elements, `to` at least `(steps - 1)·width + 8`.
    #[target_feature(enable = "avx2")]
    pub unsafe fn interleave_f32(rows: [*const f32; ROWS], steps: usize, width: usize, to: *mut f32) {
        let whole = steps / 8 * 8;
        for s in (0..whole).step_by(8) {
            // SAFETY: eight elements of every row are left; the lanes of step `s + i` lie inside `to`.
            unsafe {
                let block = transpose(rows.map(|row| _mm256_loadu_ps(row.add(s))));
                for (i, step) in block.into_iter().enumerate() {
                    _mm256_storeu_ps(to.add((s + i) * width), step);
                }
            }
        }
        for s in whole..steps {
            for (j, row) in rows.into_iter().enumerate() {
                // SAFETY: the element and its place exist.
                unsafe { *to.add(s * width + j) = *row.add(s) };
            }
        }
    }

    /// [`deal_plain`](super::deal_plain), eight steps at a time.
    ///
    /// # Safety
    /// The machine has AVX2; the rows have `steps` elements, `from` at least `(steps - 1)·width + 8`.
    #[target_feature(enable = "avx2")]
    pub unsafe fn deal_f32(from: *const f32, width: usize, steps: usize, rows: [*mut f32; ROWS]) {
        let whole = steps / 8 * 8;
        for s in (0..whole).step_by(8) {
            // SAFETY: eight steps are left; their lanes lie inside `from`.
            unsafe {
                let block = transpose(std::array::from_fn(|i| _mm256_loadu_ps(from.add((s + i) * width))));
                for (row, lanes) in rows.into_iter().zip(block) {
                    _mm256_storeu_ps(row.add(s), lanes);
                }
            }
        }
        for s in whole..steps {
            for (j, row) in rows.into_iter().enumerate() {
                // SAFETY: the element and its place exist.
                unsafe { *row.add(s) = *from.add(s * width + j) };
            }
        }
    }

    /// The transpose of an 8 × 8 block: pairs, then fours, then halves.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn transpose(r: [__m256; 8]) -> [__m256; 8] {
        let pairs = [
            _mm256_unpacklo_ps(r[0], r[1]),
            _mm256_unpackhi_ps(r[0], r[1]),
            _mm256_unpacklo_ps(r[2], r[3]),
            _mm256_unpackhi_ps(r[2], r[3]),
            _mm256_unpacklo_ps(r[4], r[5]),
            _mm256_unpackhi_ps(r[4], r[5]),
            _mm256_unpacklo_ps(r[6], r[7]),
            _mm256_unpackhi_ps(r[6], r[7]),
        ];
        let fours = [
            _mm256_shuffle_ps::<0x44>(pairs[0], pairs[2]),
            _mm256_shuffle_ps::<0xEE>(pairs[0], pairs[2]),
            _mm256_shuffle_ps::<0x44>(pairs[1], pairs[3]),
            _mm256_shuffle_ps::<0xEE>(pairs[1], pairs[3]),
            _mm256_shuffle_ps::<0x44>(pairs[4], pairs[6]),
            _mm256_shuffle_ps::<0xEE>(pairs[4], pairs[6]),
            _mm256_shuffle_ps::<0x44>(pairs[5], pairs[7]),
            _mm256_shuffle_ps::<0xEE>(pairs[5], pairs[7]),
        ];
        [
            _mm256_permute2f128_ps::<0x20>(fours[0], fours[4]),
            _mm256_permute2f128_ps::<0x20>(fours[1], fours[5]),
            _mm256_permute2f128_ps::<0x20>(fours[2], fours[6]),
            _mm256_permute2f128_ps::<0x20>(fours[3], fours[7]),
            _mm256_permute2f128_ps::<0x31>(fours[0], fours[4]),
            _mm256_permute2f128_ps::<0x31>(fours[1], fours[5]),
            _mm256_permute2f128_ps::<0x31>(fours[2], fours[6]),
            _mm256_permute2f128_ps::<0x31>(fours[3], fours[7]),
        ]
    }
}

/// Interleaves any number of rows: `to[s·width + j] = row(j)[s]`, `width` lanes a step. `row(j)` has `steps` elements.
pub(crate) fn interleave_rows<'a, T: super::Element>(
    row: impl Fn(usize) -> &'a [T],
    steps: usize,
    width: usize,
    to: &mut [T],
) {
    let to = &mut to[..steps * width];
    if width >= ROWS {
        // The last group overlaps the one before it where eight does not divide the width.
        for first in (0..width).step_by(ROWS) {
            let first = first.min(width - ROWS);
            T::interleave(std::array::from_fn(|j| &row(first + j)[..steps]), width, &mut to[first..]);
        }
        return;
    }
    // Lanes past the width are overwritten by the next step; the last steps have no room for them.
    let whole = steps.saturating_sub(ROWS.div_ceil(width));
    T::interleave(std::array::from_fn(|j| &row(j.min(width - 1))[..whole]), width, to);
    for (s, step) in to.chunks_exact_mut(width).enumerate().skip(whole) {
        for (j, to) in step.iter_mut().enumerate() {
            *to = row(j)[s];
        }
    }
}

/// Deals interleaved lanes out to rows: `row(j)[s] = from[s·width + j]` for the first `rows` of `width` lanes.
/// Every `row(j)` has `from.len() / width` elements; no two may overlap.
pub(crate) fn deal_rows<'a, T: super::Element>(
    from: &[T],
    width: usize,
    rows: usize,
    mut row: impl FnMut(usize) -> &'a mut [T],
) {
    let whole = rows / ROWS * ROWS;
    for first in (0..whole).step_by(ROWS) {
        T::deal(&from[first..], width, std::array::from_fn(|j| row(first + j)));
    }
    for j in whole..rows {
        row(j).iter_mut().zip(from[j..].iter().step_by(width)).for_each(|(to, &from)| *to = from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dealing_undoes_interleaving() {
        for (steps, rows) in [(1, 16), (7, 16), (40, 16), (19, 8), (24, 13), (9, 3)] {
            let width = 16;
            let lines: Vec<Vec<f32>> = (0..rows).map(|j| (0..steps).map(|s| (s * 100 + j) as f32).collect()).collect();
            let blank = vec![0.0; steps];
            let mut lanes = vec![-1.0; steps * width];
            interleave_rows(|j| lines.get(j).unwrap_or(&blank).as_slice(), steps, width, &mut lanes);
            assert!((0..lanes.len()).all(|i| lanes[i] == lines.get(i % width).map_or(0.0, |line| line[i / width])));
            let mut back = vec![vec![-1.0; steps]; rows];
            let mut left = back.iter_mut();
            deal_rows(&lanes, width, rows, |_| left.next().expect("one call a row"));
            assert_eq!(back, lines);
        }
    }
}
