//! `hypot`: `√(a² + b²)`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Hypot;

impl Op for Hypot {
    fn name(&self) -> &'static str {
        "hypot"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        map::float2(x, &mut y[0], each2(Real::hypot), each2(Real::hypot));
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b11, outputs: 0b1 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let slope = g.of(0).div(g.output(0));
        vec![
            g.when(0, || slope.mul(g.input(0)).sum_to(&g.meta(0).shape)),
            g.when(1, || slope.mul(g.input(1)).sum_to(&g.meta(1).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let (a, b) = (x[0].abs(), x[1].abs());
            let (small, large) = (a.minimum(&b), a.maximum(&b));
            let ratio = large.eq(0).logical_or(large.isinf()).where_(0, small.div(&large));
            large.mul(ratio.square().add(1).sqrt())
        })
    }
}

#[fallible]
impl Tensor {
    /// The length of the vector (`self`, `other`), without overflow on the way; broadcasting.
    pub fn hypot(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Hypot, &[&a.floating()?, &b.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("hypot", |_, x| vec![x[0].hypot(&x[1])])
}
