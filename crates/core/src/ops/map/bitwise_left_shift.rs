//! `bitwise_left_shift`: the bits of integers moved to the left.

use crate::op::require_integer;
use crate::ops::prelude::*;

#[derive(Debug)]
struct ShiftLeft;

impl Op for ShiftLeft {
    fn name(&self) -> &'static str {
        "bitwise_left_shift"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_integer(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(integers y[0].dtype(), T => {
            let bits = 8 * size_of::<T>() as i64;
            map::binary(x, &mut y[0], each2(|a: T, n: T| shift(a, n.to_i64(), bits)));
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("integers have no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let bits = 8 * x.meta(0).dtype.size() as i64;
        x.composed(|x| {
            let shifts = x[1].ge(0).logical_and(x[1].lt(bits));
            shifts.where_(x[0].mul(x[1].ones_like().mul(2).pow(x[1].clamp(0, bits - 1))), 0)
        })
    }
}

fn shift<T: Element>(a: T, n: i64, bits: i64) -> T {
    if (0..bits).contains(&n) { T::from_i64(a.to_i64() << n) } else { T::default() }
}

#[fallible]
impl Tensor {
    /// `self · 2ⁿ` of integers, where bits that leave the type are lost; broadcasting. Shifts by as many bits as the type has, or more, or fewer than 0, give 0.
    pub fn bitwise_left_shift(&self, bits: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(bits)?;
        apply(ShiftLeft, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("bitwise_left_shift", |_, x| vec![x[0].bitwise_left_shift(&x[1])])
}
