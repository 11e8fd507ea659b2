//! `mul`: `a · b`, element by element.

use crate::ops::prelude::*;
use std::sync::Arc;

#[derive(Debug)]
struct Mul;

/// The op itself, for graphs.
pub(crate) fn op() -> Arc<dyn Op> {
    Arc::new(Mul)
}

impl Op for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        match y[0].dtype() {
            DType::Bool => map::binary(x, &mut y[0], each2(|a: bool, b: bool| a & b)),
            dtype => dispatch!(numbers dtype, T => map::binary(x, &mut y[0], each2(<T as map::Number>::times))),
        }
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![
            g.when(0, || g.of(0).mul(g.input(1)).sum_to(&g.meta(0).shape)),
            g.when(1, || g.of(0).mul(g.input(0)).sum_to(&g.meta(1).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.output(0).dtype {
            DType::Bool => x.op("And", &[]),
            _ => x.arithmetic("Mul"),
        }
    }
}

#[fallible]
impl Tensor {
    /// `self * other`, broadcasting; the types are promoted as in PyTorch, integers wrap.
    pub fn mul(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Mul, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("mul", |a, x| {
        let (left, right) = a.pair(x);
        vec![left * right]
    })
}
