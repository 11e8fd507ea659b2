//! WebAssembly's vectors: four registers a vector, and the relaxed multiply-add, where it is a fused one.
//!
//! A module with these instructions is loaded as a whole or not at all, so they are chosen at build time
//! (`-C target-feature=+simd128,+relaxed-simd`). What the machine makes of `a·b + c` is found out at run time: the proposal
//! "Relaxed SIMD" allows one rounding or two, always the same on one machine.

use std::arch::wasm32::*;
use std::hint::black_box;

use super::lanes::{LANES, Simd, registers};

/// A value is the proof that the machine rounds multiply-adds once: only what was found by [`fuses`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Simd128(());

impl Simd128 {
    /// For a machine on which [`fuses`] is true.
    pub(super) fn new() -> Simd128 {
        Simd128(())
    }
}

/// Whether relaxed multiply-adds are rounded once, in every lane of either type.
pub(super) fn fuses() -> bool {
    // (1 + ε)² − (1 + 2ε) is ε² where it is rounded once. Rounded before the sum, ε² is half a unit in the last place, and
    // goes to the even neighbour, 1 + 2ε; the difference is 0.
    let singles = [-12i32, -12, 12, 12].map(|signed| {
        let (sign, epsilon) = (f32::from(signed.signum() as i8), 2f32.powi(-signed.abs()));
        [sign * (1.0 + epsilon), 1.0 + epsilon, -sign * (1.0 + 2.0 * epsilon), sign * epsilon * epsilon]
    });
    let [a, b, c, expected] = std::array::from_fn(|k| {
        let [x, y, z, w] = singles.map(|numbers| black_box(numbers[k]));
        f32x4(x, y, z, w)
    });
    let single = i32x4_all_true(f32x4_eq(f32x4_relaxed_madd(a, b, c), expected));
    let epsilon = 2f64.powi(-27);
    let [a, c, expected] = [1.0 + epsilon, -(1.0 + 2.0 * epsilon), epsilon * epsilon].map(|x| {
        let x = black_box(x);
        f64x2(x, -x)
    });
    let b = f64x2_splat(black_box(1.0 + epsilon));
    single && i64x2_all_true(f64x2_eq(f64x2_relaxed_madd(a, b, c), expected))
}

impl Simd for Simd128 {
    type F = [v128; 4];
    type I = [v128; 4];
    type M = [v128; 4];

    registers! {
        splat(; x: f32) -> Self::F = f32x4_splat(x);
        splat_i(; x: i32) -> Self::I = i32x4_splat(x);
        add(a: Self::F, b: Self::F) -> Self::F = f32x4_add(a, b);
        sub(a: Self::F, b: Self::F) -> Self::F = f32x4_sub(a, b);
        mul(a: Self::F, b: Self::F) -> Self::F = f32x4_mul(a, b);
        div(a: Self::F, b: Self::F) -> Self::F = f32x4_div(a, b);
        mul_add(a: Self::F, b: Self::F, c: Self::F) -> Self::F = f32x4_relaxed_madd(a, b, c);
        sqrt(a: Self::F) -> Self::F = f32x4_sqrt(a);
        round(a: Self::F) -> Self::F = f32x4_nearest(a);
        // `pmin(x, y)` is `y < x ? y : x`.
        min(a: Self::F, b: Self::F) -> Self::F = f32x4_pmin(b, a);
        max(a: Self::F, b: Self::F) -> Self::F = f32x4_pmax(b, a);
        lt(a: Self::F, b: Self::F) -> Self::M = f32x4_lt(a, b);
        eq(a: Self::F, b: Self::F) -> Self::M = f32x4_eq(a, b);
        eq_i(a: Self::I, b: Self::I) -> Self::M = i32x4_eq(a, b);
        select(m: Self::M, a: Self::F, b: Self::F) -> Self::F = v128_bitselect(a, b, m);
        add_i(a: Self::I, b: Self::I) -> Self::I = i32x4_add(a, b);
        sub_i(a: Self::I, b: Self::I) -> Self::I = i32x4_sub(a, b);
        and(a: Self::I, b: Self::I) -> Self::I = v128_and(a, b);
        or(a: Self::I, b: Self::I) -> Self::I = v128_or(a, b);
        xor(a: Self::I, b: Self::I) -> Self::I = v128_xor(a, b);
        to_int(a: Self::F) -> Self::I = i32x4_relaxed_trunc_f32x4(a);
        to_float(a: Self::I) -> Self::F = f32x4_convert_i32x4(a);
    }

    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> Self::F {
        let from: *const v128 = from.as_ptr().cast();
        // SAFETY: 16 floats are four registers; no alignment is asked for.
        unsafe { [v128_load(from), v128_load(from.add(1)), v128_load(from.add(2)), v128_load(from.add(3))] }
    }

    #[inline(always)]
    fn store(self, x: Self::F, to: &mut [f32; LANES]) {
        for (register, to) in x.into_iter().zip(to.as_chunks_mut::<4>().0) {
            // SAFETY: four floats are one register; no alignment is asked for.
            unsafe { v128_store(to.as_mut_ptr().cast(), register) }
        }
    }

    #[inline(always)]
    fn evens(self, a: Self::F, b: Self::F) -> Self::F {
        let evens = |x: v128, y: v128| i32x4_shuffle::<0, 2, 4, 6>(x, y);
        [evens(a[0], a[1]), evens(a[2], a[3]), evens(b[0], b[1]), evens(b[2], b[3])]
    }

    #[inline(always)]
    fn odds(self, a: Self::F, b: Self::F) -> Self::F {
        let odds = |x: v128, y: v128| i32x4_shuffle::<1, 3, 5, 7>(x, y);
        [odds(a[0], a[1]), odds(a[2], a[3]), odds(b[0], b[1]), odds(b[2], b[3])]
    }

    #[inline(always)]
    fn any(self, m: Self::M) -> bool {
        v128_any_true(v128_or(v128_or(m[0], m[1]), v128_or(m[2], m[3])))
    }

    #[inline(always)]
    fn bits(self, a: Self::F) -> Self::I {
        a
    }

    #[inline(always)]
    fn with_bits(self, a: Self::I) -> Self::F {
        a
    }

    #[inline(always)]
    fn shift_left<const BITS: i32>(self, a: Self::I) -> Self::I {
        a.map(|a| i32x4_shl(a, BITS as u32))
    }

    #[inline(always)]
    fn shift_right<const BITS: i32>(self, a: Self::I) -> Self::I {
        a.map(|a| i32x4_shr(a, BITS as u32))
    }
}
