//! sin, cos and tan.

use std::f32::consts::FRAC_2_PI;

use crate::simd::{LANES, Simd};

/// π/2 in three parts; `n` times the first two is exact in a fused multiply-add for the arguments below.
const HALF_PI: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_124_5e-15];

/// Larger arguments need more bits of π than three parts hold; they go to `libm`, lane by lane.
const LARGEST: f32 = 50_000.0;

/// `x = n·π/2 + r` with |r| ≤ π/4, and the sine and cosine of `r`; polynomial errors below 0.07 · 2⁻²⁴.
#[inline(always)]
fn reduce<S: Simd>(s: S, x: S::F) -> (S::I, S::F, S::F) {
    let n = s.round(s.mul(x, s.splat(FRAC_2_PI)));
    let r = HALF_PI.iter().fold(x, |r, &part| s.mul_add(n, s.splat(-part), r));
    let square = s.mul(r, r);
    let sine = s.polynomial(square, [-0.166_666_55, 0.008_332_189, -0.000_195_182_86]);
    let sine = s.mul_add(s.mul(r, square), sine, r);
    let cosine = s.polynomial(square, [-0.5, 0.041_666_646, -0.001_388_731_1, 2.443_256_4e-5]);
    let cosine = s.mul_add(square, cosine, s.splat(1.0));
    (s.to_int(n), sine, cosine)
}

/// The sine of `x + quarters·π/2` from the parts of `x`: sine, cosine, -sine, -cosine in turn.
#[inline(always)]
fn turn<S: Simd>(s: S, n: S::I, sine: S::F, cosine: S::F) -> S::F {
    let even = s.eq_i(s.and(n, s.splat_i(1)), s.splat_i(0));
    let value = s.select(even, sine, cosine);
    let sign = s.shift_left::<30>(s.and(n, s.splat_i(2)));
    s.with_bits(s.xor(s.bits(value), sign))
}

/// Replaces the lanes whose argument is large, infinite or NaN.
#[inline(always)]
fn with_large<S: Simd>(s: S, x: S::F, result: S::F, large: fn(f32) -> f32) -> S::F {
    let fits = s.lt(s.abs(x), s.splat(LARGEST));
    let one = s.splat(1.0);
    if !s.any(s.eq(s.select(fits, s.splat(0.0), one), one)) {
        return result;
    }
    let (mut from, mut to) = ([0.0; LANES], [0.0; LANES]);
    s.store(x, &mut from);
    s.store(result, &mut to);
    for (x, y) in from.iter().zip(&mut to) {
        // Written so that NaN goes to `libm` too.
        let fits = x.abs() < LARGEST;
        if !fits {
            *y = large(*x);
        }
    }
    s.load(&to)
}

#[inline(always)]
pub(crate) fn sin<S: Simd>(s: S, x: S::F) -> S::F {
    let (n, sine, cosine) = reduce(s, x);
    let result = turn(s, n, sine, cosine);
    // The reduction adds zeros, which lose the sign of a zero.
    let result = s.select(s.eq(x, s.splat(0.0)), x, result);
    with_large(s, x, result, libm::sinf)
}

#[inline(always)]
pub(crate) fn cos<S: Simd>(s: S, x: S::F) -> S::F {
    let (n, sine, cosine) = reduce(s, x);
    with_large(s, x, turn(s, s.add_i(n, s.splat_i(1)), sine, cosine), libm::cosf)
}

#[inline(always)]
pub(super) fn tan<S: Simd>(s: S, x: S::F) -> S::F {
    let (n, sine, cosine) = reduce(s, x);
    let result = s.div(turn(s, n, sine, cosine), turn(s, s.add_i(n, s.splat_i(1)), sine, cosine));
    let result = s.select(s.eq(x, s.splat(0.0)), x, result);
    with_large(s, x, result, libm::tanf)
}
