//! `+ - * /` and unary minus on tensors and scalars.

use super::{Scalar, Tensor};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// The second operand of a binary operation: a tensor, or a number that takes the tensor's type.
pub trait Operand {
    /// The operand as a tensor; a number becomes a rank-0 tensor by the promotion rules for scalars.
    fn beside(self, other: &Tensor) -> Tensor;

    /// The operand, if it is a number.
    fn number(&self) -> Option<Scalar> {
        None
    }
}

impl Operand for &Tensor {
    fn beside(self, _: &Tensor) -> Tensor {
        self.clone()
    }
}

impl Operand for Tensor {
    fn beside(self, _: &Tensor) -> Tensor {
        self
    }
}

macro_rules! scalar_operand {
    ($($t:ty),*) => { $(
        impl Operand for $t {
            fn beside(self, other: &Tensor) -> Tensor {
                let scalar: Scalar = self.into();
                scalar.tensor(scalar.dtype_beside(other.dtype()))
            }
            fn number(&self) -> Option<Scalar> {
                Some((*self).into())
            }
        }
    )* };
}
scalar_operand!(Scalar, bool, f64, f32, i64, i32, usize);

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl<R: Operand> $trait<R> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: R) -> Tensor {
                Tensor::$method(self, right)
            }
        }
        impl<R: Operand> $trait<R> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: R) -> Tensor {
                Tensor::$method(&self, right)
            }
        }
        operator!(@scalar $trait, $method: f64 f32 i64 i32);
    };
    (@scalar $trait:ident, $method:ident: $($t:ty)*) => { $(
        impl $trait<&Tensor> for $t {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: &Tensor) -> Tensor {
                Tensor::$method(&self.beside(right), right)
            }
        }
        impl $trait<Tensor> for $t {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: Tensor) -> Tensor {
                Tensor::$method(&self.beside(&right), &right)
            }
        }
    )* };
}
operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}

impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(&self)
    }
}
