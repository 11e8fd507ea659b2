//! `+ - * / %` and unary minus on tensors and scalars, `& | ^ !` on truth values and integers, `+=` and its kind.

use super::{Scalar, Tensor};
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Sub};
use std::ops::{AddAssign, DivAssign, MulAssign, SubAssign};

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
    ($trait:ident, $method:ident: $op:ident) => {
        impl<R: Operand> $trait<R> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: R) -> Tensor {
                Tensor::$op(self, right)
            }
        }
        impl<R: Operand> $trait<R> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: R) -> Tensor {
                Tensor::$op(&self, right)
            }
        }
    };
    ($trait:ident, $method:ident: $op:ident, also of $($t:ty)*) => {
        operator!($trait, $method: $op);
    $(
        impl $trait<&Tensor> for $t {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: &Tensor) -> Tensor {
                Tensor::$op(&self.beside(right), right)
            }
        }
        impl $trait<Tensor> for $t {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: Tensor) -> Tensor {
                Tensor::$op(&self.beside(&right), &right)
            }
        }
    )* };
}
operator!(Add, add: add, also of f64 f32 i64 i32);
operator!(Sub, sub: sub, also of f64 f32 i64 i32);
operator!(Mul, mul: mul, also of f64 f32 i64 i32);
operator!(Div, div: div, also of f64 f32 i64 i32);
operator!(Rem, rem: remainder, also of f64 f32 i64 i32);
operator!(BitAnd, bitand: bitwise_and);
operator!(BitOr, bitor: bitwise_or);
operator!(BitXor, bitxor: bitwise_xor);

macro_rules! unary_operator {
    ($trait:ident, $method:ident: $op:ident) => {
        impl $trait for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self) -> Tensor {
                Tensor::$op(self)
            }
        }
        impl $trait for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self) -> Tensor {
                Tensor::$op(&self)
            }
        }
    };
}
unary_operator!(Neg, neg: neg);
unary_operator!(Not, not: bitwise_not);

/// `x += y` puts the sum into the variable; tensors that share the old value keep it.
macro_rules! assignment {
    ($trait:ident, $method:ident: $op:ident) => {
        impl<R: Operand> $trait<R> for Tensor {
            #[track_caller]
            fn $method(&mut self, right: R) {
                *self = Tensor::$op(self, right);
            }
        }
    };
}
assignment!(AddAssign, add_assign: add);
assignment!(SubAssign, sub_assign: sub);
assignment!(MulAssign, mul_assign: mul);
assignment!(DivAssign, div_assign: div);

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn operators_call_the_ops_of_their_kind() {
        let x = Tensor::from([5i64, -5, 4]);
        assert_eq!((&x % 3).to_vec::<i64>(), [2, 1, 1]); // the sign of the divisor, as in Python
        assert_eq!((7i64 % &x).to_vec::<i64>(), [2, -3, 3]);
        let (a, b) = (x.gt(0), x.eq(4));
        assert_eq!((&a & !&b).to_vec::<bool>(), [true, false, false]);
        assert_eq!((&a ^ &b).to_vec::<bool>(), [true, false, false]);
        assert_eq!((&b | x.lt(0)).to_vec::<bool>(), [false, true, true]);
    }

    #[test]
    fn assignments_leave_other_owners_alone() {
        let mut x = Tensor::from(vec![1.0f32, 2.0]);
        let before = x.clone();
        x += &before;
        x *= 2.0;
        x -= 1.0;
        x /= 2.0;
        assert_eq!((x.to_vec::<f32>(), before.to_vec::<f32>()), (vec![1.5, 3.5], vec![1.0, 2.0]));
    }
}
