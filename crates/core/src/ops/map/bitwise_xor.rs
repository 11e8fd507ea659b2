//! `bitwise_xor`: `a ^ b` of integers bit by bit, and of booleans.

use crate::ops::prelude::*;

#[derive(Debug)]
struct BitwiseXor;

impl Op for BitwiseXor {
    fn name(&self) -> &'static str {
        "bitwise_xor"
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
            DType::Bool => map::binary(x, &mut y[0], each2(|a: bool, b: bool| a ^ b)),
            dtype => dispatch!(integers dtype, T => map::binary(x, &mut y[0], each2(|a: T, b: T| a ^ b))),
        }
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("integers have no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype {
            DType::Bool => x.op("Xor", &[]),
            _ => x.op("BitwiseXor", &[]),
        }
    }
}

#[fallible]
impl Tensor {
    /// `self ^ other` of integers bit by bit, or of booleans; broadcasting, the types are promoted.
    pub fn bitwise_xor(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(BitwiseXor, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("bitwise_xor", |_, x| vec![x[0].bitwise_xor(&x[1])])
}
