//! `le`: `a <= b`, element by element, as bool.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Le;

impl Op for Le {
    fn name(&self) -> &'static str {
        "le"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?.with_dtype(DType::Bool))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => map::binary(x, &mut y[0], each2(|a: T, b: T| a.le(&b))));
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.comparison("LessOrEqual")])
    }
}

#[fallible]
impl Tensor {
    /// `self <= other`, broadcasting; false where either is NaN.
    pub fn le(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Le, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("le", |a, x| {
        let (left, right) = a.pair(x);
        vec![left.le(right)]
    })
}
