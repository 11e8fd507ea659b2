//! erf and the GELU activations (Hendrycks and Gimpel, arXiv 1606.08415).

use std::f32::consts::FRAC_1_SQRT_2;

use super::exponential::exp;
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

/// `g · (Φ(x) + x·φ(x))`, Φ the standard normal distribution function and φ its density: what [`gelu`] pulls back.
#[inline(always)]
pub(super) fn gelu_grad<S: Simd>(s: S, x: S::F, g: S::F) -> S::F {
    /// 1/√(2π)
    const DENSITY: f32 = 0.398_942_3;
    let distribution = s.mul(s.splat(0.5), s.add(s.splat(1.0), erf(s, s.mul(x, s.splat(FRAC_1_SQRT_2)))));
    // The density has long been zero at the bound; the square of x itself could overflow.
    let x = bounded(s, x);
    let density = s.mul(s.splat(DENSITY), exp(s, s.mul(s.mul(x, x), s.splat(-0.5))));
    s.mul(g, s.mul_add(x, density, distribution))
}

/// ±20 in place of what is farther from zero; NaN stays.
#[inline(always)]
fn bounded<S: Simd>(s: S, x: S::F) -> S::F {
    s.max(s.splat(-20.0), s.min(s.splat(20.0), x))
}

/// √(8/π), so that `tanh(√(2/π)·y)` is `2·sigmoid(SLOPE·y) - 1`.
const SLOPE: f32 = 1.595_769_2;
const CUBIC: f32 = 0.044_715;

/// `sigmoid(SLOPE·(x + CUBIC·x³))`, which is `(1 + tanh(√(2/π)·(x + CUBIC·x³))) / 2`, and the derivative of the sigmoid,
/// for x within ±20.
#[inline(always)]
fn gate<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let cubed = s.mul_add(s.mul(s.splat(CUBIC), s.mul(x, x)), x, x);
    let e = exp(s, s.mul(s.splat(-SLOPE), s.abs(cubed)));
    let large = s.div(s.splat(1.0), s.add(s.splat(1.0), e));
    let small = s.mul(e, large);
    (s.select(s.lt(x, s.splat(0.0)), small, large), s.mul(small, large))
}

/// `x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))`
#[inline(always)]
pub(super) fn gelu_tanh<S: Simd>(s: S, x: S::F) -> S::F {
    s.mul(x, gate(s, bounded(s, x)).0)
}

/// What [`gelu_tanh`] pulls back: `g · (σ + x·σ'·SLOPE·(1 + 3·CUBIC·x²))` with the sigmoid σ of `gate`.
#[inline(always)]
pub(super) fn gelu_tanh_grad<S: Simd>(s: S, x: S::F, g: S::F) -> S::F {
    let x = bounded(s, x);
    let (gate, derivative) = gate(s, x);
    let inner = s.mul_add(s.mul(x, x), s.splat(3.0 * SLOPE * CUBIC), s.splat(SLOPE));
    s.mul(g, s.mul_add(s.mul(x, derivative), inner, gate))
}
