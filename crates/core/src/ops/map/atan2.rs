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

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let (a, b) = (&x[0], &x[1]);
            // The axes' ends: 0/0 becomes 0/1, and ∞/∞ becomes 1/1.
            let (origin, far) = (a.eq(0).logical_and(b.eq(0)), a.isinf().logical_and(b.isinf()));
            let ratio = origin.where_(a, far.where_(1, a.div(b)));
            let ratio = far.logical_and(a.signbit().ne(b.signbit())).where_(-1, ratio);
            let ratio = origin.logical_and(b.signbit()).where_(a.neg(), ratio);
            let half = a.signbit().where_(-std::f64::consts::PI, std::f64::consts::PI);
            ratio.atan().add(b.signbit().where_(half, 0))
        })
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
