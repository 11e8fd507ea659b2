//! Whole quotients and remainders of every number type, with PyTorch's conventions for signs and zeros.

use crate::compile::effect;
use crate::tensor::{Category, Tensor};
use crate::{DType, Error, Result};
use half::{bf16, f16};

use super::map::Number;

/// Division with a whole quotient. Integers wrap (`MIN / -1 = MIN`) and must not be divided by zero.
pub trait Division: Number {
    /// The quotient rounded towards minus infinity.
    fn floor_quotient(self, divisor: Self) -> Self;
    /// The quotient rounded towards zero.
    fn trunc_quotient(self, divisor: Self) -> Self;
    /// What [`Division::floor_quotient`] leaves: it has the sign of the divisor.
    fn floor_remainder(self, divisor: Self) -> Self;
    /// What [`Division::trunc_quotient`] leaves: it has the sign of `self`.
    fn trunc_remainder(self, divisor: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty),*) => { $(
        impl Division for $t {
            #[inline]
            fn floor_quotient(self, divisor: Self) -> Self {
                let (quotient, rest) = (self.wrapping_div(divisor), self.wrapping_rem(divisor));
                if rest != 0 && (rest ^ divisor) < 0 { quotient.wrapping_sub(1) } else { quotient }
            }
            #[inline]
            fn trunc_quotient(self, divisor: Self) -> Self { self.wrapping_div(divisor) }
            #[inline]
            fn floor_remainder(self, divisor: Self) -> Self {
                let rest = self.wrapping_rem(divisor);
                if rest != 0 && (rest ^ divisor) < 0 { rest.wrapping_add(divisor) } else { rest }
            }
            #[inline]
            fn trunc_remainder(self, divisor: Self) -> Self { self.wrapping_rem(divisor) }
        }
    )* };
}
integers!(i8, i32, i64);

/// Without signs both ways of rounding are one.
impl Division for u8 {
    #[inline]
    fn floor_quotient(self, divisor: u8) -> u8 {
        self / divisor
    }
    #[inline]
    fn trunc_quotient(self, divisor: u8) -> u8 {
        self / divisor
    }
    #[inline]
    fn floor_remainder(self, divisor: u8) -> u8 {
        self % divisor
    }
    #[inline]
    fn trunc_remainder(self, divisor: u8) -> u8 {
        self % divisor
    }
}

macro_rules! floats {
    ($($t:ty),*) => { $(
        impl Division for $t {
            /// From the exact remainder, so that rounding of `self / divisor` cannot reach the next integer
            /// (CPython's `float_floor_div`).
            #[inline]
            fn floor_quotient(self, divisor: Self) -> Self {
                if divisor == 0.0 {
                    return self / divisor;
                }
                let rest = self % divisor;
                let mut quotient = (self - rest) / divisor;
                if rest != 0.0 && (divisor < 0.0) != (rest < 0.0) {
                    quotient -= 1.0;
                }
                if quotient == 0.0 {
                    return (0.0 as $t).copysign(self / divisor);
                }
                let floor = quotient.floor();
                if quotient - floor > 0.5 { floor + 1.0 } else { floor }
            }
            #[inline]
            fn trunc_quotient(self, divisor: Self) -> Self { (self / divisor).trunc() }
            #[inline]
            fn floor_remainder(self, divisor: Self) -> Self {
                let rest = self % divisor;
                if rest != 0.0 && (divisor < 0.0) != (rest < 0.0) { rest + divisor } else { rest }
            }
            #[inline]
            fn trunc_remainder(self, divisor: Self) -> Self { self % divisor }
        }
    )* };
}
floats!(f32, f64);

macro_rules! halves {
    ($($t:ty: $($name:ident)*),*) => { $(
        impl Division for $t {
            $(
                #[inline]
                fn $name(self, divisor: Self) -> Self {
                    <$t>::from_f32(self.to_f32().$name(divisor.to_f32()))
                }
            )*
        }
    )* };
}
halves!(
    f16: floor_quotient trunc_quotient floor_remainder trunc_remainder,
    bf16: floor_quotient trunc_quotient floor_remainder trunc_remainder
);

/// The error for a division that integers cannot do: by zero, or of booleans.
pub fn check_divisor(op: &'static str, divisor: &Tensor) -> Result<()> {
    match divisor.dtype().category() {
        Category::Bool => {
            Err(Error::op(op, "of two bool tensors is not defined; convert one with .to_dtype(DType::I64)"))
        }
        Category::Integer => effect("no zero divisor", &[divisor], Vec::new(), move |divisor| {
            let divisor = &divisor[0];
            if !divisor.to_dtype(DType::I64).try_to_vec::<i64>()?.contains(&0) {
                return Ok(());
            }
            let message =
                format!("got the integer divisor 0 (in a {} tensor of shape {})", divisor.dtype(), divisor.shape());
            Err(Error::op(op, message))
        }),
        Category::Float => Ok(()),
    }
}
