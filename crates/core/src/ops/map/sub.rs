//! `sub`: `a - b`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Sub;

impl Op for Sub {
    fn name(&self) -> &'static str {
        "sub"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if x[0].dtype == DType::Bool {
            return Err(Error::op("sub", "of two bool tensors is not defined; use .logical_xor() or convert one"));
        }
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => map::binary(x, &mut y[0], each2(<T as map::Number>::minus)));
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || g.of(0).sum_to(&g.meta(0).shape)), g.when(1, || g.of(0).neg().sum_to(&g.meta(1).shape))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.arithmetic("Sub")
    }
}

#[fallible]
impl Tensor {
    /// `self - other`, broadcasting; the types are promoted as in PyTorch, integers wrap.
    pub fn sub(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Sub, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("sub", |a, x| {
        let (left, right) = a.pair(x);
        vec![left - right * a.float_or("alpha", 1.0)]
    })
}
