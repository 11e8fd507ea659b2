//! Transposes: rows become columns. The inner loop of packing a side whose steps are contiguous, and of laying out
//! images.

use crate::number::Number;
#[cfg(target_arch = "x86_64")]
use crate::simd::Isa;
use crate::simd::isa;

/// `to[c·to_row + r] = from[start(r) + c]` for all of `rows` and `columns`.
///
/// # Panics
/// If a row or the result does not lie inside its slice.
#[track_caller]
pub(crate) fn transpose<T: super::Element>(
    from: &[T],
    start: impl Fn(usize) -> usize,
    rows: usize,
    columns: usize,
    to: &mut [T],
    to_row: usize,
) {
    assert!(rows == 0 || columns == 0 || (columns - 1) * to_row + rows <= to.len(), "the result lies inside `to`");
    // SAFETY: just checked, and `to` is borrowed mutably.
    unsafe { transpose_into(from, start, rows, columns, to.as_mut_ptr(), to_row) }
}

/// [`transpose`] into memory that several threads may share.
///
/// # Safety
/// For all of `rows` and `columns`, the element at `c·to_row + r` can be written and nobody else uses it.
///
/// # Panics
/// If a row does not lie inside `from`.
#[track_caller]
pub(crate) unsafe fn transpose_into<T: super::Element>(
    from: &[T],
    start: impl Fn(usize) -> usize,
    rows: usize,
    columns: usize,
    to: *mut T,
    to_row: usize,
) {
    if rows > 0 && columns > 0 {
        assert!((0..rows).all(|r| start(r) + columns <= from.len()), "every row lies inside `from`");
        // SAFETY: just checked, and the caller's promise.
        unsafe { T::transpose(from.as_ptr(), start, rows, columns, to, to_row) }
    }
}

/// [`transpose_into`] element by element.
///
/// # Safety
/// As [`transpose_into`], and every row lies inside `from`.
pub(super) unsafe fn plain<T: Number>(
    from: *const T,
    start: impl Fn(usize) -> usize,
    rows: usize,
    columns: usize,
    to: *mut T,
    to_row: usize,
) {
    for c in 0..columns {
        for r in 0..rows {
            // SAFETY: the caller's promise.
            unsafe { *to.add(c * to_row + r) = *from.add(start(r) + c) };
        }
    }
}

/// [`transpose_into`] for `f32`, with the best instruction set.
///
/// # Safety
/// As [`plain`].
pub(super) unsafe fn best(
    from: *const f32,
    start: impl Fn(usize) -> usize,
    rows: usize,
    columns: usize,
    to: *mut f32,
    to_row: usize,
) {
    // SAFETY: the machine has what `isa` says; the caller's promise.
    unsafe {
        match isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => x86::wide(from, start, rows, columns, to, to_row),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => x86::narrow(from, start, rows, columns, to, to_row),
            _ => plain(from, start, rows, columns, to, to_row),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    /// [`plain`](super::plain) in blocks of 16 × 16, those at the edges under masks: whole cache lines of the rows
    /// are read at once, and of many results written at once.
    ///
    /// # Safety
    /// As [`plain`](super::plain), and the machine has AVX-512.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn wide(
        from: *const f32,
        start: impl Fn(usize) -> usize,
        rows: usize,
        columns: usize,
        to: *mut f32,
        to_row: usize,
    ) {
        let mask = |lanes: usize| ((1u32 << lanes) - 1) as __mmask16;
        for r in (0..rows).step_by(16) {
            let (height, mut begins) = (16.min(rows - r), [from; 16]);
            for (i, begin) in begins.iter_mut().enumerate().take(height) {
                *begin = from.wrapping_add(start(r + i));
            }
            for c in (0..columns).step_by(16) {
                let width = 16.min(columns - c);
                let mut block = [_mm512_setzero_ps(); 16];
                for (i, row) in block.iter_mut().enumerate().take(height) {
                    // SAFETY: `width` elements of the row are left.
                    *row = unsafe { _mm512_maskz_loadu_ps(mask(width), begins[i].wrapping_add(c)) };
                }
                for (i, column) in transpose_16(block).into_iter().enumerate().take(width) {
                    // SAFETY: `height` elements of this column of the result exist.
                    unsafe { _mm512_mask_storeu_ps(to.add((c + i) * to_row + r), mask(height), column) };
                }
            }
        }
    }

    /// Pairs, then fours, then quarters of registers.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn transpose_16(r: [__m512; 16]) -> [__m512; 16] {
        let mut pairs = r;
        for i in 0..8 {
            pairs[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            pairs[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        // Register 4·i + j holds column j (mod 4) of rows 4·i to 4·i + 3, a quarter for each four columns.
        let mut fours = r;
        for i in 0..4 {
            let [a, b, c, d] = [0, 1, 2, 3].map(|j| pairs[4 * i + j]);
            fours[4 * i] = _mm512_shuffle_ps::<0x44>(a, c);
            fours[4 * i + 1] = _mm512_shuffle_ps::<0xEE>(a, c);
            fours[4 * i + 2] = _mm512_shuffle_ps::<0x44>(b, d);
            fours[4 * i + 3] = _mm512_shuffle_ps::<0xEE>(b, d);
        }
        let mut columns = r;
        for j in 0..4 {
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| fours[4 * i + j]);
            let (low_even, low_odd) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xDD>(a, b));
            let (high_even, high_odd) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xDD>(c, d));
            columns[j] = _mm512_shuffle_f32x4::<0x88>(low_even, high_even);
            columns[j + 8] = _mm512_shuffle_f32x4::<0xDD>(low_even, high_even);
            columns[j + 4] = _mm512_shuffle_f32x4::<0x88>(low_odd, high_odd);
            columns[j + 12] = _mm512_shuffle_f32x4::<0xDD>(low_odd, high_odd);
        }
        columns
    }

    /// [`plain`](super::plain) in blocks of 8 × 8.
    ///
    /// # Safety
    /// As [`plain`](super::plain), and the machine has AVX2.
    #[target_feature(enable = "avx2")]
    pub unsafe fn narrow(
        from: *const f32,
        start: impl Fn(usize) -> usize,
        rows: usize,
        columns: usize,
        to: *mut f32,
        to_row: usize,
    ) {
        // Where eight does not divide the rows or columns, the last block overlaps the one before it.
        if rows < 8 || columns < 8 {
            // SAFETY: the caller's promise.
            return unsafe { super::plain(from, start, rows, columns, to, to_row) };
        }
        for r in (0..rows).step_by(8) {
            let r = r.min(rows - 8);
            let begins: [*const f32; 8] = std::array::from_fn(|i| from.wrapping_add(start(r + i)));
            for c in (0..columns).step_by(8) {
                let c = c.min(columns - 8);
                // SAFETY: the block lies inside the rows and the result.
                unsafe {
                    let block = transpose_8(begins.map(|row| _mm256_loadu_ps(row.add(c))));
                    for (i, column) in block.into_iter().enumerate() {
                        _mm256_storeu_ps(to.add((c + i) * to_row + r), column);
                    }
                }
            }
        }
    }

    /// Pairs, then fours, then halves.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn transpose_8(r: [__m256; 8]) -> [__m256; 8] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_equals_the_definition() {
        for rows in [1, 3, 7, 8, 9, 14, 16, 17, 33] {
            for columns in [1, 2, 8, 12, 16, 19, 32, 40] {
                let (from_row, to_row) = (columns + 5, rows + 3);
                let from: Vec<f32> = (0..rows * from_row).map(|i| i as f32).collect();
                let mut to = vec![-1.0; columns * to_row];
                transpose(&from, |r| (rows - 1 - r) * from_row + 2, rows, columns, &mut to, to_row);
                let wide: Vec<f64> = from.iter().map(|&x| x.into()).collect();
                let mut to_wide = vec![-1.0; columns * to_row];
                transpose(&wide, |r| (rows - 1 - r) * from_row + 2, rows, columns, &mut to_wide, to_row);
                for (i, (&x, &wide)) in to.iter().zip(&to_wide).enumerate() {
                    let (c, r) = (i / to_row, i % to_row);
                    let expected = if r < rows { ((rows - 1 - r) * from_row + 2 + c) as f32 } else { -1.0 };
                    assert_eq!((x, wide), (expected, expected.into()), "{rows} × {columns} at {c}, {r}");
                }
            }
        }
    }
}
