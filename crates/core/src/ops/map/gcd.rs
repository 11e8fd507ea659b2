//! `gcd`: the greatest common divisor.

use crate::op::require_integer;
use crate::ops::prelude::*;

#[derive(Debug)]
struct Gcd;

impl Op for Gcd {
    fn name(&self) -> &'static str {
        "gcd"
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
            map::binary(x, &mut y[0], each2(|a: T, b: T| T::from_i64(gcd(a.to_i64(), b.to_i64()) as i64)));
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("integers have no gradient")
    }
}

/// Euclid's algorithm.
pub(crate) fn gcd(a: i64, b: i64) -> u64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[fallible]
impl Tensor {
    /// The greatest common divisor of integers, not negative; of 0 and 0 it is 0. Broadcasting.
    pub fn gcd(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Gcd, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("gcd", |_, x| vec![x[0].gcd(&x[1])])
}
