//! `f32` and `f64` behind one trait, so that a formula is written once.

use crate::tensor::Element;
use hadal_kernels::gemm::GemmElement;
use hadal_kernels::reduce::ReduceElement;
use hadal_kernels::softmax::SoftmaxElement;
use half::{bf16, f16};
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// A real number: arithmetic, and the elementary functions with the same result on every platform.
///
/// What IEEE 754 defines exactly comes from the processor; the rest from `libm`, within 1 unit in the last place.
pub trait Real:
    Element
    + GemmElement
    + ReduceElement
    + SoftmaxElement
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    /// The distance from 1 to the next number.
    const EPSILON: Self;
    /// Less than every finite number.
    const LOWEST: Self;

    /// A constant of a formula.
    #[inline]
    fn of(value: f64) -> Self {
        Self::from_f64(value)
    }
    /// The larger of the two; NaN stays NaN.
    #[inline]
    fn at_least(self, least: Self) -> Self {
        if self < least { least } else { self }
    }
    /// The absolute value.
    fn abs(self) -> Self;
    /// The largest integer not above.
    fn floor(self) -> Self;
    /// The smallest integer not below.
    fn ceil(self) -> Self;
    /// The integer part.
    fn trunc(self) -> Self;
    /// The nearest integer, ties to even.
    fn round_ties_even(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// The magnitude with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// Whether the sign bit is set (as in −0).
    fn is_sign_negative(self) -> bool;
    /// e to this power.
    fn exp(self) -> Self;
    /// 2 to this power.
    fn exp2(self) -> Self;
    /// `exp(self) − 1`, accurate near 0.
    fn expm1(self) -> Self;
    /// The natural logarithm.
    fn log(self) -> Self;
    /// The logarithm to base 2.
    fn log2(self) -> Self;
    /// The logarithm to base 10.
    fn log10(self) -> Self;
    /// `log(1 + self)`, accurate near 0.
    fn log1p(self) -> Self;
    /// The sine, in radians.
    fn sin(self) -> Self;
    /// The cosine, in radians.
    fn cos(self) -> Self;
    /// The tangent, in radians.
    fn tan(self) -> Self;
    /// The inverse sine.
    fn asin(self) -> Self;
    /// The inverse cosine.
    fn acos(self) -> Self;
    /// The inverse tangent.
    fn atan(self) -> Self;
    /// The hyperbolic sine.
    fn sinh(self) -> Self;
    /// The hyperbolic cosine.
    fn cosh(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// The inverse hyperbolic sine.
    fn asinh(self) -> Self;
    /// The inverse hyperbolic cosine.
    fn acosh(self) -> Self;
    /// The inverse hyperbolic tangent.
    fn atanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// One minus the error function, accurate far out.
    fn erfc(self) -> Self;
    /// The logarithm of the absolute value of the gamma function.
    fn lgamma(self) -> Self;
    /// To the power of `exponent`.
    fn pow(self, exponent: Self) -> Self;
    /// The angle of the point (`x`, `self`), −π to π.
    fn atan2(self, x: Self) -> Self;
    /// The length of the vector (`self`, `other`), without overflow on the way.
    fn hypot(self, other: Self) -> Self;
}

/// A floating-point element and the type in which its sums and formulas are computed: `f32` for the half types.
pub trait Float: Element {
    /// The type to compute in.
    type Wide: Real;
    /// The value, exactly.
    fn widen(self) -> Self::Wide;
    /// The nearest value of this type.
    fn narrow(wide: Self::Wide) -> Self;
}

macro_rules! float {
    ($($t:ty: $wide:ty, |$v:ident| $widen:expr, $narrow:expr;)*) => { $(
        impl Float for $t {
            type Wide = $wide;
            #[inline]
            fn widen(self) -> $wide { let $v = self; $widen }
            #[inline]
            fn narrow($v: $wide) -> Self { $narrow }
        }
    )* };
}

float! {
    f16: f32, |v| f32::from(v), f16::from_f32(v);
    bf16: f32, |v| f32::from(v), bf16::from_f32(v);
    f32: f32, |v| v, v;
    f64: f64, |v| v, v;
}

macro_rules! real {
    ($t:ty: exact $($exact:ident)*; $($name:ident $library:ident)*; two $($name2:ident $library2:ident)*) => {
        impl Real for $t {
            const EPSILON: Self = <$t>::EPSILON;
            const LOWEST: Self = <$t>::NEG_INFINITY;

            $(#[inline] fn $exact(self) -> Self { <$t>::$exact(self) })*
            $(#[inline] fn $name(self) -> Self { libm::$library(self) })*
            $(#[inline] fn $name2(self, other: Self) -> Self { libm::$library2(self, other) })*
            #[inline]
            fn copysign(self, sign: Self) -> Self { <$t>::copysign(self, sign) }
            #[inline]
            fn is_sign_negative(self) -> bool { <$t>::is_sign_negative(self) }
        }
    };
}

real!(f64: exact abs floor ceil trunc round_ties_even sqrt;
    exp exp exp2 exp2 expm1 expm1 log log log2 log2 log10 log10 log1p log1p sin sin cos cos tan tan asin asin
    acos acos atan atan sinh sinh cosh cosh tanh tanh asinh asinh acosh acosh atanh atanh erf erf erfc erfc
    lgamma lgamma;
    two pow pow atan2 atan2 hypot hypot);

real!(f32: exact abs floor ceil trunc round_ties_even sqrt;
    exp expf exp2 exp2f expm1 expm1f log logf log2 log2f log10 log10f log1p log1pf sin sinf cos cosf tan tanf asin asinf
    acos acosf atan atanf sinh sinhf cosh coshf tanh tanhf asinh asinhf acosh acoshf atanh atanhf erf erff erfc erfcf
    lgamma lgammaf;
    two pow powf atan2 atan2f hypot hypotf);
