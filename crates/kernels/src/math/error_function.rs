//! erf and the GELU activations (Hendrycks and Gimpel, arXiv 1606.08415).

use std::f32::consts::FRAC_1_SQRT_2;

use super::exponential::{exp, tanh};
use crate::simd::Simd;

/// Below `BORDER`: `x + x·Q(x²)`; above: `1 - exp(-t - t·P(t))` with `t = |x|`, which is `1 - erfc(t)`. The polynomials'
/// errors are 0.015 and 0.05 · 2⁻²⁴ of the result. From 3.92 on the result rounds to 1.
#[inline(always)]
pub(super) fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    const BORDER: f32 = 0.921_875;
    let t = s.min(s.splat(3.95), s.abs(x));
    let near =
        [0.128_379_17, -0.376_126_3, 0.112_836_26, -0.026_855_728, 0.005_192_377, -0.000_804_917_4, 7.992_796e-5];
    let near = s.mul_add(t, s.polynomial(s.mul(t, t), near), t);
    let far = [0.128_513_78, 0.635_720_25, 0.105_259_314, -0.022_888_36, 0.003_214_462, -0.000_213_925_99];
    let exponent = s.neg(s.mul_add(t, s.polynomial(t, far), t));
    let far = s.sub(s.splat(1.0), exp(s, exponent));
    s.with_sign_of(s.select(s.lt(t, s.splat(BORDER)), near, far), x)
}

/// `x/2 · (1 + erf(x/√2))`
#[inline(always)]
pub(super) fn gelu<S: Simd>(s: S, x: S::F) -> S::F {
    let phi = s.add(s.splat(1.0), erf(s, s.mul(x, s.splat(FRAC_1_SQRT_2))));
    s.mul(s.mul(x, s.splat(0.5)), phi)
}

/// `x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))`
#[inline(always)]
pub(super) fn gelu_tanh<S: Simd>(s: S, x: S::F) -> S::F {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    let cube = s.mul(s.mul(x, x), x);
    let inner = s.mul(s.splat(SQRT_2_OVER_PI), s.mul_add(s.splat(0.044_715), cube, x));
    s.mul(s.mul(x, s.splat(0.5)), s.add(s.splat(1.0), tanh(s, inner)))
}
