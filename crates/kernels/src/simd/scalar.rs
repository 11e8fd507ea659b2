//! 16 lanes of plain Rust: for machines without the others, for Miri, and as the reference in tests.
//!
//! The operations are not inlined: a function of hundreds of unrolled scalar operations takes long to compile, while
//! each of these is a loop that the compiler vectorizes with what the target has at least.

use std::array::from_fn;

use super::lanes::{LANES, Simd};
use crate::fused;

#[derive(Clone, Copy)]
pub(super) struct Scalar;

type F = [f32; LANES];
type I = [i32; LANES];
type M = [bool; LANES];

impl Simd for Scalar {
    type F = F;
    type I = I;
    type M = M;

    #[inline(always)]
    fn splat(self, x: f32) -> F {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> F {
        *from
    }
    #[inline(always)]
    fn store(self, x: F, to: &mut [f32; LANES]) {
        *to = x;
    }
    #[inline(never)]
    fn add(self, a: F, b: F) -> F {
        from_fn(|i| a[i] + b[i])
    }
    #[inline(never)]
    fn sub(self, a: F, b: F) -> F {
        from_fn(|i| a[i] - b[i])
    }
    #[inline(never)]
    fn mul(self, a: F, b: F) -> F {
        from_fn(|i| a[i] * b[i])
    }
    #[inline(never)]
    fn div(self, a: F, b: F) -> F {
        from_fn(|i| a[i] / b[i])
    }
    #[inline(never)]
    fn mul_add(self, a: F, b: F, c: F) -> F {
        from_fn(|i| fused::mul_add(a[i], b[i], c[i]))
    }
    #[inline(never)]
    fn sqrt(self, a: F) -> F {
        a.map(f32::sqrt)
    }
    #[inline(never)]
    fn round(self, a: F) -> F {
        a.map(f32::round_ties_even)
    }
    #[inline(never)]
    fn min(self, a: F, b: F) -> F {
        from_fn(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(never)]
    fn max(self, a: F, b: F) -> F {
        from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(never)]
    fn lt(self, a: F, b: F) -> M {
        from_fn(|i| a[i] < b[i])
    }
    #[inline(never)]
    fn eq(self, a: F, b: F) -> M {
        from_fn(|i| a[i] == b[i])
    }
    #[inline(never)]
    fn eq_i(self, a: I, b: I) -> M {
        from_fn(|i| a[i] == b[i])
    }
    #[inline(never)]
    fn select(self, m: M, a: F, b: F) -> F {
        from_fn(|i| if m[i] { a[i] } else { b[i] })
    }
    #[inline(never)]
    fn evens(self, a: F, b: F) -> F {
        from_fn(|i| if i < LANES / 2 { a[2 * i] } else { b[2 * i - LANES] })
    }
    #[inline(never)]
    fn odds(self, a: F, b: F) -> F {
        from_fn(|i| if i < LANES / 2 { a[2 * i + 1] } else { b[2 * i + 1 - LANES] })
    }
    #[inline(never)]
    fn any(self, m: M) -> bool {
        m.contains(&true)
    }
    #[inline(always)]
    fn splat_i(self, x: i32) -> I {
        [x; LANES]
    }
    #[inline(never)]
    fn add_i(self, a: I, b: I) -> I {
        from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(never)]
    fn sub_i(self, a: I, b: I) -> I {
        from_fn(|i| a[i].wrapping_sub(b[i]))
    }
    #[inline(never)]
    fn and(self, a: I, b: I) -> I {
        from_fn(|i| a[i] & b[i])
    }
    #[inline(never)]
    fn or(self, a: I, b: I) -> I {
        from_fn(|i| a[i] | b[i])
    }
    #[inline(never)]
    fn xor(self, a: I, b: I) -> I {
        from_fn(|i| a[i] ^ b[i])
    }
    #[inline(never)]
    fn shift_left<const BITS: i32>(self, a: I) -> I {
        a.map(|a| a << BITS)
    }
    #[inline(never)]
    fn shift_right<const BITS: i32>(self, a: I) -> I {
        a.map(|a| a >> BITS)
    }
    #[inline(never)]
    fn bits(self, a: F) -> I {
        a.map(|a| a.to_bits().cast_signed())
    }
    #[inline(never)]
    fn with_bits(self, a: I) -> F {
        a.map(|a| f32::from_bits(a.cast_unsigned()))
    }
    #[inline(never)]
    fn to_int(self, a: F) -> I {
        a.map(|a| a as i32)
    }
    #[inline(never)]
    fn to_float(self, a: I) -> F {
        a.map(|a| a as f32)
    }
}
