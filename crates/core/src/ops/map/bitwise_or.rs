//! `bitwise_or`: `a | b` of integers bit by bit, and of booleans.

use crate::ops::prelude::*;

#[derive(Debug)]
struct BitwiseOr;

impl Op for BitwiseOr {
    fn name(&self) -> &'static str {
        "bitwise_or"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_bits(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        match y[0].dtype() {
            DType::Bool => map::binary(x, &mut y[0], each2(|a: bool, b: bool| a | b)),
            dtype => dispatch!(integers dtype, T => map::binary(x, &mut y[0], each2(|a: T, b: T| a | b))),
        }
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("integers have no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype {
            DType::Bool => x.op("Or", &[]),
            _ => x.op("BitwiseOr", &[]),
        }
    }
}

#[fallible]
impl Tensor {
    /// `self | other` of integers bit by bit, or of booleans; broadcasting, the types are promoted.
    pub fn bitwise_or(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(BitwiseOr, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("bitwise_or", |_, x| vec![x[0].bitwise_or(&x[1])])
}
