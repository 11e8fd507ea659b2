//! `remainder`: what `div_floor` leaves, with the sign of the divisor.

use crate::ops::prelude::*;
use crate::run::division::{Division, check_divisor};

#[derive(Debug)]
struct Remainder;

impl Op for Remainder {
    fn name(&self) -> &'static str {
        "remainder"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => map::binary(x, &mut y[0], each2(<T as Division>::floor_remainder)));
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![
            g.when(0, || g.of(0).sum_to(&g.meta(0).shape)),
            g.when(1, || g.of(0).mul(g.input(0).div_floor(g.input(1))).neg().sum_to(&g.meta(1).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype.is_float() {
            false => x.op("Mod", &[]),
            true => x.composed(|x| {
                let rest = x[0].fmod(&x[1]);
                let other_sign = rest.ne(0).logical_and(rest.lt(0).ne(x[1].lt(0)));
                other_sign.where_(rest.add(&x[1]), &rest)
            }),
        }
    }
}

#[fallible]
impl Tensor {
    /// `self − other · floor(self / other)`: it has the sign of `other`. An integer divisor must not be 0.
    pub fn remainder(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        check_divisor("remainder", &b)?;
        apply(Remainder, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("remainder", |_, x| vec![x[0].remainder(&x[1])])
}
