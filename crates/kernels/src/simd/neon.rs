//! NEON: four registers a vector.

use std::arch::aarch64::*;

use super::Kernel;
use super::lanes::{LANES, Simd, registers};

/// A value is the proof that the machine has NEON: only [`run`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Neon(());

/// # Safety
/// The machine has NEON.
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Neon(()))
}

impl Simd for Neon {
    type F = [float32x4_t; 4];
    type I = [int32x4_t; 4];
    type M = [uint32x4_t; 4];

    registers! {
        splat(; x: f32) -> Self::F = vdupq_n_f32(x);
        splat_i(; x: i32) -> Self::I = vdupq_n_s32(x);
        add(a: Self::F, b: Self::F) -> Self::F = vaddq_f32(a, b);
        sub(a: Self::F, b: Self::F) -> Self::F = vsubq_f32(a, b);
        mul(a: Self::F, b: Self::F) -> Self::F = vmulq_f32(a, b);
        div(a: Self::F, b: Self::F) -> Self::F = vdivq_f32(a, b);
        mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F = vfmaq_f32(c, a, b);
        sqrt(a: Self::F) -> Self::F = vsqrtq_f32(a);
        round(a: Self::F) -> Self::F = vrndnq_f32(a);
        min(a: Self::F, b: Self::F) -> Self::F = vbslq_f32(vcltq_f32(a, b), a, b);
        max(a: Self::F, b: Self::F) -> Self::F = vbslq_f32(vcgtq_f32(a, b), a, b);
        lt(a: Self::F, b: Self::F) -> Self::M = vcltq_f32(a, b);
        eq(a: Self::F, b: Self::F) -> Self::M = vceqq_f32(a, b);
        eq_i(a: Self::I, b: Self::I) -> Self::M = vceqq_s32(a, b);
        select(m: Self::M, a: Self::F, b: Self::F) -> Self::F = vbslq_f32(m, a, b);
        add_i(a: Self::I, b: Self::I) -> Self::I = vaddq_s32(a, b);
        sub_i(a: Self::I, b: Self::I) -> Self::I = vsubq_s32(a, b);
        and(a: Self::I, b: Self::I) -> Self::I = vandq_s32(a, b);
        or(a: Self::I, b: Self::I) -> Self::I = vorrq_s32(a, b);
        xor(a: Self::I, b: Self::I) -> Self::I = veorq_s32(a, b);
        bits(a: Self::F) -> Self::I = vreinterpretq_s32_f32(a);
        with_bits(a: Self::I) -> Self::F = vreinterpretq_f32_s32(a);
        to_int(a: Self::F) -> Self::I = vcvtnq_s32_f32(a);
        to_float(a: Self::I) -> Self::F = vcvtq_f32_s32(a);
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        let from = from.as_ptr();
        // SAFETY: 16 floats are four registers; the instructions exist.
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] }
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        for (register, to) in x.into_iter().zip(to.as_chunks_mut::<4>().0) {
            // SAFETY: four floats are one register; the instruction exists.
            unsafe { vst1q_f32(to.as_mut_ptr(), register) }
        }
    }

    #[inline(always)]
    fn evens(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the instructions exist.
        unsafe { [vuzp1q_f32(a[0], a[1]), vuzp1q_f32(a[2], a[3]), vuzp1q_f32(b[0], b[1]), vuzp1q_f32(b[2], b[3])] }
    }

    #[inline(always)]
    fn odds(self, a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: the instructions exist.
        unsafe { [vuzp2q_f32(a[0], a[1]), vuzp2q_f32(a[2], a[3]), vuzp2q_f32(b[0], b[1]), vuzp2q_f32(b[2], b[3])] }
    }

    #[inline(always)]
    fn any(self, m: Self::M) -> bool {
        // SAFETY: the instructions exist.
        unsafe { vmaxvq_u32(vorrq_u32(vorrq_u32(m[0], m[1]), vorrq_u32(m[2], m[3]))) != 0 }
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self, a: Self::I) -> Self::I {
        // SAFETY: the instructions exist.
        unsafe {
            let by = vdupq_n_s32(BITS);
            [vshlq_s32(a[0], by), vshlq_s32(a[1], by), vshlq_s32(a[2], by), vshlq_s32(a[3], by)]
        }
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, a: Self::I) -> Self::I {
        // SAFETY: the instructions exist.
        unsafe {
            let by = vdupq_n_s32(-BITS);
            [vshlq_s32(a[0], by), vshlq_s32(a[1], by), vshlq_s32(a[2], by), vshlq_s32(a[3], by)]
        }
    }
}
