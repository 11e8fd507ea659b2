//! `atan2`: the angle of the point `(b, a)`.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Atan2;

impl Op for Atan2 {
    fn name(&self) -> &'static str {
        "atan2"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        map::float2(x, &mut y[0], each2(Real::atan2), each2(Real::atan2));
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        let (a, b) = (g.input(0), g.input(1));
        let slope = g.of(0).div(a.square().add(b.square()));
        vec![
            g.when(0, || slope.mul(&b).sum_to(&g.meta(0).shape)),
            g.when(1, || slope.mul(&a).neg().sum_to(&g.meta(1).shape)),
        ]
    }
}

#[fallible]
impl Tensor {
    /// The angle of the point (`other`, `self`) in the plane, −π to π; broadcasting.
    pub fn atan2(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Atan2, &[&a.floating()?, &b.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("atan2", |_, x| vec![x[0].atan2(&x[1])])
}
