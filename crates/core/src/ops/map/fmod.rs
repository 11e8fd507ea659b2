//! `fmod`: what `div_trunc` leaves, with the sign of the dividend.

use crate::ops::prelude::*;
use crate::run::division::{Division, check_divisor};

#[derive(Debug)]
struct Fmod;

impl Op for Fmod {
    fn name(&self) -> &'static str {
        "fmod"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => map::binary(x, &mut y[0], each2(<T as Division>::trunc_remainder)));
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![
            g.when(0, || g.of(0).sum_to(&g.meta(0).shape)),
            g.when(1, || g.of(0).mul(g.input(0).div_trunc(g.input(1))).neg().sum_to(&g.meta(1).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Mod", &[("fmod", 1i64.into())])
    }
}

#[fallible]
impl Tensor {
    /// `self − other · trunc(self / other)`: it has the sign of `self`. An integer divisor must not be 0.
    pub fn fmod(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        check_divisor("fmod", &b)?;
        apply(Fmod, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("fmod", |_, x| vec![x[0].fmod(&x[1])])
}
