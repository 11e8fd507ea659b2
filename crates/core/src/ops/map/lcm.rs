//! `lcm`: the least common multiple.

use super::gcd::gcd;
use crate::op::require_integer;
use crate::ops::prelude::*;

#[derive(Debug)]
struct Lcm;

impl Op for Lcm {
    fn name(&self) -> &'static str {
        "lcm"
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
            map::binary(x, &mut y[0], each2(|a: T, b: T| T::from_i64(lcm(a.to_i64(), b.to_i64()))));
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("integers have no gradient")
    }
}

fn lcm(a: i64, b: i64) -> i64 {
    match gcd(a, b) {
        0 => 0,
        divisor => (a.unsigned_abs() / divisor).wrapping_mul(b.unsigned_abs()) as i64,
    }
}

#[fallible]
impl Tensor {
    /// The least common multiple of integers, not negative; 0 where either is 0. Wraps around like `mul`. Broadcasting.
    pub fn lcm(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Lcm, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("lcm", |_, x| vec![x[0].lcm(&x[1])])
}
