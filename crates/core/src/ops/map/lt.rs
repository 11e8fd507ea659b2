//! `lt`: `a < b`, element by element, as bool.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Lt;

impl Op for Lt {
    fn name(&self) -> &'static str {
        "lt"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?.with_dtype(DType::Bool))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => map::binary(x, &mut y[0], each2(|a: T, b: T| a.lt(&b))));
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.comparison("Less")])
    }
}

#[fallible]
impl Tensor {
    /// `self < other`, broadcasting; false where either is NaN.
    pub fn lt(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Lt, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("lt", |a, x| {
        let (left, right) = a.pair(x);
        vec![left.lt(right)]
    })
}
