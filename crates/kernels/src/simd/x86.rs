//! AVX2 with FMA (two registers a vector) and AVX-512 F (one).

use std::arch::x86_64::*;

use super::lanes::{LANES, Simd, registers};
use super::{Kernel, Vectorized};

/// A value is the proof that the machine has AVX2 and FMA: only [`run_avx2`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

/// A value is the proof that the machine has AVX-512 F: only [`run_avx512`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

/// # Safety
/// The machine has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

/// # Safety
/// The machine has AVX-512 F, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

/// # Safety
/// The machine has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn run_wide<V: Vectorized>(loops: V) -> V::Output {
    loops.run()
}

const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

impl Simd for Avx2 {
    type F = [__m256; 2];
    type I = [__m256i; 2];
    type M = [__m256; 2];

    registers! {
        splat(; x: f32) -> Self::F = _mm256_set1_ps(x);
        splat_i(; x: i32) -> Self::I = _mm256_set1_epi32(x);
        add(a: Self::F, b: Self::F) -> Self::F = _mm256_add_ps(a, b);
        sub(a: Self::F, b: Self::F) -> Self::F = _mm256_sub_ps(a, b);
        mul(a: Self::F, b: Self::F) -> Self::F = _mm256_mul_ps(a, b);
        div(a: Self::F, b: Self::F) -> Self::F = _mm256_div_ps(a, b);
        mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F = _mm256_fmadd_ps(a, b, c);
        sqrt(a: Self::F) -> Self::F = _mm256_sqrt_ps(a);
        round(a: Self::F) -> Self::F = _mm256_round_ps::<NEAREST>(a);
        min(a: Self::F, b: Self::F) -> Self::F = _mm256_min_ps(a, b);
        max(a: Self::F, b: Self::F) -> Self::F = _mm256_max_ps(a, b);
        lt(a: Self::F, b: Self::F) -> Self::M = _mm256_cmp_ps::<_CMP_LT_OQ>(a, b);
        eq(a: Self::F, b: Self::F) -> Self::M = _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b);
        eq_i(a: Self::I, b: Self::I) -> Self::M = _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
        select(m: Self::M, a: Self::F, b: Self::F) -> Self::F = _mm256_blendv_ps(b, a, m);
        add_i(a: Self::I, b: Self::I) -> Self::I = _mm256_add_epi32(a, b);
        sub_i(a: Self::I, b: Self::I) -> Self::I = _mm256_sub_epi32(a, b);
        and(a: Self::I, b: Self::I) -> Self::I = _mm256_and_si256(a, b);
        or(a: Self::I, b: Self::I) -> Self::I = _mm256_or_si256(a, b);
        xor(a: Self::I, b: Self::I) -> Self::I = _mm256_xor_si256(a, b);
        bits(a: Self::F) -> Self::I = _mm256_castps_si256(a);
        with_bits(a: Self::I) -> Self::F = _mm256_castsi256_ps(a);
        to_int(a: Self::F) -> Self::I = _mm256_cvtps_epi32(a);
        to_float(a: Self::I) -> Self::F = _mm256_cvtepi32_ps(a);
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        // SAFETY: 16 floats are two registers; the instructions exist.
        unsafe { [_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))] }
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        // SAFETY: 16 floats are two registers; the instructions exist.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), x[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x[1]);
        }
    }

    #[inline(always)]
    fn will_read(self, at: *const f32) {
        // SAFETY: a hint reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    fn will_write(self, at: *const f32) {
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast()) }
    }

    #[inline(always)]
    fn any(self, m: Self::M) -> bool {
        // SAFETY: the instructions exist.
        unsafe { _mm256_movemask_ps(_mm256_or_ps(m[0], m[1])) != 0 }
    }

    #[inline(always)]
    fn evens(self, a: Self::F, b: Self::F) -> Self::F {
        [a, b].map(|x| {
            // SAFETY: the instructions exist.
            unsafe {
                let halves = _mm256_castps_pd(_mm256_shuffle_ps::<0x88>(x[0], x[1]));
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0xD8>(halves))
            }
        })
    }

    #[inline(always)]
    fn odds(self, a: Self::F, b: Self::F) -> Self::F {
        [a, b].map(|x| {
            // SAFETY: the instructions exist.
            unsafe {
                let halves = _mm256_castps_pd(_mm256_shuffle_ps::<0xDD>(x[0], x[1]));
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0xD8>(halves))
            }
        })
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self, a: Self::I) -> Self::I {
        // SAFETY: the instructions exist.
        unsafe { [_mm256_slli_epi32::<BITS>(a[0]), _mm256_slli_epi32::<BITS>(a[1])] }
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, a: Self::I) -> Self::I {
        // SAFETY: the instructions exist.
        unsafe { [_mm256_srai_epi32::<BITS>(a[0]), _mm256_srai_epi32::<BITS>(a[1])] }
    }
}

impl Simd for Avx512 {
    type F = [__m512; 1];
    type I = [__m512i; 1];
    type M = [__mmask16; 1];

    registers! {
        splat(; x: f32) -> Self::F = _mm512_set1_ps(x);
        splat_i(; x: i32) -> Self::I = _mm512_set1_epi32(x);
        add(a: Self::F, b: Self::F) -> Self::F = _mm512_add_ps(a, b);
        sub(a: Self::F, b: Self::F) -> Self::F = _mm512_sub_ps(a, b);
        mul(a: Self::F, b: Self::F) -> Self::F = _mm512_mul_ps(a, b);
        div(a: Self::F, b: Self::F) -> Self::F = _mm512_div_ps(a, b);
        mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F = _mm512_fmadd_ps(a, b, c);
        sqrt(a: Self::F) -> Self::F = _mm512_sqrt_ps(a);
        round(a: Self::F) -> Self::F = _mm512_roundscale_ps::<NEAREST>(a);
        min(a: Self::F, b: Self::F) -> Self::F = _mm512_min_ps(a, b);
        max(a: Self::F, b: Self::F) -> Self::F = _mm512_max_ps(a, b);
        lt(a: Self::F, b: Self::F) -> Self::M = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b);
        eq(a: Self::F, b: Self::F) -> Self::M = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b);
        eq_i(a: Self::I, b: Self::I) -> Self::M = _mm512_cmpeq_epi32_mask(a, b);
        select(m: Self::M, a: Self::F, b: Self::F) -> Self::F = _mm512_mask_blend_ps(m, b, a);
        add_i(a: Self::I, b: Self::I) -> Self::I = _mm512_add_epi32(a, b);
        sub_i(a: Self::I, b: Self::I) -> Self::I = _mm512_sub_epi32(a, b);
        and(a: Self::I, b: Self::I) -> Self::I = _mm512_and_si512(a, b);
        or(a: Self::I, b: Self::I) -> Self::I = _mm512_or_si512(a, b);
        xor(a: Self::I, b: Self::I) -> Self::I = _mm512_xor_si512(a, b);
        bits(a: Self::F) -> Self::I = _mm512_castps_si512(a);
        with_bits(a: Self::I) -> Self::F = _mm512_castsi512_ps(a);
        to_int(a: Self::F) -> Self::I = _mm512_cvtps_epi32(a);
        to_float(a: Self::I) -> Self::F = _mm512_cvtepi32_ps(a);
        scale(a: Self::F, n: Self::F) -> Self::F = _mm512_scalef_ps(a, n);
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        // SAFETY: 16 floats are one register; the instruction exists.
        unsafe { [_mm512_loadu_ps(from.as_ptr())] }
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        // SAFETY: 16 floats are one register; the instruction exists.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), x[0]) }
    }

    #[inline(always)]
    fn will_read(self, at: *const f32) {
        // SAFETY: a hint reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    fn will_write(self, at: *const f32) {
        // SAFETY: as above.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.cast()) }
    }

    #[inline(always)]
    fn any(self, m: Self::M) -> bool {
        m[0] != 0
    }

    #[inline(always)]
    fn evens(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the instructions exist.
        unsafe {
            let lanes = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
            [_mm512_permutex2var_ps(a[0], lanes, b[0])]
        }
    }

    #[inline(always)]
    fn odds(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the instructions exist.
        unsafe {
            let lanes = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
            [_mm512_permutex2var_ps(a[0], lanes, b[0])]
        }
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self, a: Self::I) -> Self::I {
        // SAFETY: the instruction exists.
        unsafe { [_mm512_sllv_epi32(a[0], _mm512_set1_epi32(BITS))] }
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, a: Self::I) -> Self::I {
        // SAFETY: the instruction exists.
        unsafe { [_mm512_srav_epi32(a[0], _mm512_set1_epi32(BITS))] }
    }
}
