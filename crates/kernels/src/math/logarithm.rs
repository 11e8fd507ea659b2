//! log, log2, log10, log1p and softplus.

use std::f32::consts::{LN_2, LOG2_E, LOG10_E};

use super::exponential::{LN_2_HIGH, LN_2_LOW, exp};
use crate::simd::Simd;

/// The bits of √½: mantissas are taken from [√½, √2).
const SQRT_HALF: i32 = 0x3F35_04F3;

/// `x = 2ᵉ·(1 + f)` with `1 + f` in [√½, √2), for positive finite `x`; `e` as a number.
#[inline(always)]
fn split<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let small = s.lt(x, s.splat(f32::MIN_POSITIVE));
    let x = s.select(small, s.mul(x, s.splat(16_777_216.0)), x);
    let moved = s.sub_i(s.bits(x), s.splat_i(SQRT_HALF));
    let mantissa = s.add_i(s.and(moved, s.splat_i(0x007F_FFFF)), s.splat_i(SQRT_HALF));
    let e = s.to_float(s.shift_right::<23>(moved));
    let e = s.sub(e, s.select(small, s.splat(24.0), s.splat(0.0)));
    (e, s.sub(s.with_bits(mantissa), s.splat(1.0)))
}

/// `log(1 + f) - f` for `1 + f` in [√½, √2): `-f²/2 + f³·P(f)`; the polynomial's error is 0.013 · 2⁻²⁴ of the logarithm.
#[inline(always)]
fn tail<S: Simd>(s: S, f: S::F) -> S::F {
    let coefficients = [
        0.333_333_13,
        -0.250_000_1,
        0.200_020_72,
        -0.166_679_9,
        0.142_203_63,
        -0.124_062_08,
        0.118_834_71,
        -0.116_701_83,
        0.067_495_39,
    ];
    let square = s.mul(f, f);
    s.mul(square, s.mul_add(f, s.polynomial(f, coefficients), s.splat(-0.5)))
}

/// Puts in the values at 0 (-∞), ∞ (∞), below zero and NaN (NaN).
#[inline(always)]
fn edges<S: Simd>(s: S, x: S::F, result: S::F) -> S::F {
    let zero = s.splat(0.0);
    let result = s.select(s.lt(x, s.splat(f32::INFINITY)), result, x);
    let result = s.select(s.lt(x, zero), s.splat(f32::NAN), result);
    s.select(s.eq(x, zero), s.splat(f32::NEG_INFINITY), result)
}

#[inline(always)]
pub(crate) fn log<S: Simd>(s: S, x: S::F) -> S::F {
    let (e, f) = split(s, x);
    let low = s.mul_add(e, s.splat(LN_2_LOW), tail(s, f));
    edges(s, x, s.mul_add(e, s.splat(LN_2_HIGH), s.add(f, low)))
}

/// `e + log₂(1 + f)`; exact for powers of two.
#[inline(always)]
pub(super) fn log2<S: Simd>(s: S, x: S::F) -> S::F {
    /// What `LOG2_E` lacks of log₂ e.
    const LOG2_E_LOW: f32 = 1.925_963e-8;
    let (e, f) = split(s, x);
    let low = s.mul_add(tail(s, f), s.splat(LOG2_E), s.mul(f, s.splat(LOG2_E_LOW)));
    edges(s, x, s.add(e, s.mul_add(f, s.splat(LOG2_E), low)))
}

/// `e·log₁₀ 2 + log₁₀(1 + f)`
#[inline(always)]
pub(super) fn log10<S: Simd>(s: S, x: S::F) -> S::F {
    /// log₁₀ 2 in two parts, the first with twelve trailing zero bits, and what `LOG10_E` lacks of log₁₀ e.
    const LOG10_2_HIGH: f32 = 0.301_025_4;
    const LOG10_2_LOW: f32 = 4.605_039e-6;
    const LOG10_E_LOW: f32 = -1.010_305e-8;
    let (e, f) = split(s, x);
    let low = s.mul_add(tail(s, f), s.splat(LOG10_E), s.mul(f, s.splat(LOG10_E_LOW)));
    let low = s.mul_add(e, s.splat(LOG10_2_LOW), low);
    edges(s, x, s.mul_add(e, s.splat(LOG10_2_HIGH), s.mul_add(f, s.splat(LOG10_E), low)))
}

/// `log(1 + x)`: what rounding `1 + x` lost is added to `f`.
#[inline(always)]
pub(super) fn log1p<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    let sum = s.add(one, x);
    let lost = s.select(s.lt(x, one), s.sub(x, s.sub(sum, one)), s.sub(one, s.sub(sum, x)));
    let (e, f) = split(s, sum);
    // Above 2¹²⁶ the inverse of the power is no normal number; nothing is lost that counts there.
    let inverse = s.power_of_two(s.sub_i(s.splat_i(0), s.to_int(s.min(e, s.splat(126.0)))));
    let f = s.mul_add(lost, inverse, f);
    let low = s.mul_add(e, s.splat(LN_2_LOW), tail(s, f));
    let result = edges(s, sum, s.mul_add(e, s.splat(LN_2_HIGH), s.add(f, low)));
    // Adding a zero would lose the sign of a zero.
    s.select(s.eq(x, s.splat(0.0)), x, result)
}

/// `log(1 + eˣ) = max(x, 0) + log1p(e^{-|x|})`
#[inline(always)]
pub(super) fn softplus<S: Simd>(s: S, x: S::F) -> S::F {
    let e = exp(s, s.neg(s.abs(x)));
    s.add(s.max(s.splat(0.0), x), log1p(s, e))
}

/// `log(sigmoid(x)) = -softplus(-x)`
#[inline(always)]
pub(super) fn log_sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    s.neg(softplus(s, s.neg(x)))
}

/// Compile-time check of the split constant: its parts add up to ln 2.
const _: () = assert!(LN_2_HIGH + LN_2_LOW == LN_2);
