//! exp, expm1 and what follows from them: sigmoid, tanh, silu.

use std::f32::consts::LOG2_E;

use crate::simd::Simd;

/// ln 2 in two parts: the first has 16 trailing zero bits, so `n·LN_2_HIGH` is exact for |n| < 2⁹.
pub(super) const LN_2_HIGH: f32 = 0.693_145_75;
pub(super) const LN_2_LOW: f32 = 1.428_606_8e-6;

/// `x = n·ln 2 + r` with an integral `n` and |r| ≤ ln 2 / 2 (Cody and Waite).
#[inline(always)]
fn reduce<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let n = s.round(s.mul(x, s.splat(LOG2_E)));
    let r = s.mul_add(n, s.splat(-LN_2_HIGH), x);
    (n, s.mul_add(n, s.splat(-LN_2_LOW), r))
}

/// `eˣ = 2ⁿ·eʳ`; the polynomial's error is 0.05 · 2⁻²⁴.
///
/// Where the result is 0, it is not computed but chosen: a product that underflows costs a processor a hundred times
/// what others cost, and rows with hidden scores are full of them.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let zero = s.splat(0.0);
    let vanishes = s.lt(x, s.splat(-104.0));
    // From 89 on the result is ∞; `min` passes a NaN on.
    let x = s.select(vanishes, zero, s.min(s.splat(89.0), x));
    let (n, r) = reduce(s, x);
    let p = s.polynomial(r, [1.0, 1.0, 0.499_999_94, 0.166_665_21, 0.041_668_262, 0.008_368_671, 0.001_382_099_9]);
    s.select(vanishes, zero, s.scale(p, n))
}

/// `eˣ - 1 = 2ⁿ·(eʳ - 1) + (2ⁿ - 1)`, computed at half its size because `2ⁿ` may be too large.
#[inline(always)]
pub(super) fn expm1<S: Simd>(s: S, x: S::F) -> S::F {
    let bounded = s.max(s.splat(-18.0), s.min(s.splat(89.0), x));
    let (n, r) = reduce(s, bounded);
    let q = s.polynomial(r, [0.5, 0.166_666_66, 0.041_666_493, 0.008_333_546, 0.001_393_232_1, 0.000_197_617_25]);
    let p = s.mul_add(s.mul(r, r), q, r);
    let half_power = s.power_of_two(s.sub_i(s.to_int(n), s.splat_i(1)));
    let half = s.mul_add(p, half_power, s.sub(half_power, s.splat(0.5)));
    // Adding a zero would lose the sign of a zero.
    s.select(s.eq(x, s.splat(0.0)), x, s.add(half, half))
}

/// `1 / (1 + e⁻ˣ)`, with the exponential of a negative number on both sides, so that it cannot overflow.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let e = exp(s, s.neg(s.abs(x)));
    let one = s.splat(1.0);
    s.div(s.select(s.lt(x, s.splat(0.0)), e, one), s.add(one, e))
}

/// `x · sigmoid(x)`
#[inline(always)]
pub(super) fn silu<S: Simd>(s: S, x: S::F) -> S::F {
    let e = exp(s, s.neg(s.abs(x)));
    let one = s.splat(1.0);
    let numerator = s.select(s.lt(x, s.splat(0.0)), s.mul(x, e), x);
    s.div(numerator, s.add(one, e))
}

/// `tanh |x| = t / (t + 2)` with `t = e^{2|x|} - 1`; it rounds to 1 from 9.01 on.
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let positive = s.min(s.splat(10.0), s.abs(x));
    let t = expm1(s, s.add(positive, positive));
    s.with_sign_of(s.div(t, s.add(t, s.splat(2.0))), x)
}
