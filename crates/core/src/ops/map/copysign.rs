//! `copysign`: the magnitude of `a` with the sign of `b`.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Copysign;

impl Op for Copysign {
    fn name(&self) -> &'static str {
        "copysign"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        map::float2(x, &mut y[0], each2(Real::copysign), each2(Real::copysign));
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b1, outputs: 0b1 }
    }

    /// The derivative at 0 is 0, as in PyTorch.
    fn grad(&self, g: &Grad) -> Grads {
        let flipped = g.input(0).signbit().ne(g.output(0).signbit());
        let passed = || flipped.where_(g.of(0).neg(), g.of(0));
        vec![
            g.when(0, || g.input(0).eq(0).where_(0, passed()).sum_to(&g.meta(0).shape)),
            g.when(1, || Tensor::zeros_with(&g.meta(1).shape, g.meta(1).dtype)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let magnitude = x[0].abs();
            x[1].signbit().where_(magnitude.neg(), magnitude)
        })
    }
}

#[fallible]
impl Tensor {
    /// The magnitude of `self` with the sign of `other`; broadcasting.
    pub fn copysign(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Copysign, &[&a.floating()?, &b.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("copysign", |_, x| vec![x[0].copysign(&x[1])])
}
