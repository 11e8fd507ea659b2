//! What the generic kernels need of `f32` and `f64`.

use std::ops::{Add, AddAssign, Div, Mul, Sub};

use crate::scratch::Plain;

/// `f32` or `f64`.
pub(crate) trait Number:
    Plain
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
{
    const ZERO: Self;
    const ONE: Self;
    const INFINITY: Self;
    const NEGATIVE_INFINITY: Self;

    /// `self · factor + addend`, rounded once.
    fn fma(self, factor: Self, addend: Self) -> Self;

    /// The square root, correctly rounded.
    fn sqrt(self) -> Self;

    /// The nearest number of this type.
    fn from_f64(x: f64) -> Self;
}

macro_rules! number {
    ($type:ty) => {
        impl Number for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const INFINITY: Self = <$type>::INFINITY;
            const NEGATIVE_INFINITY: Self = <$type>::NEG_INFINITY;

            #[inline(always)]
            fn fma(self, factor: Self, addend: Self) -> Self {
                self.mul_add(factor, addend)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $type
            }
        }
    };
}
number!(f32);
number!(f64);
