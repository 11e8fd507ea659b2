//! `ne`: `a != b`, element by element, as bool.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Ne;

impl Op for Ne {
    fn name(&self) -> &'static str {
        "ne"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?.with_dtype(DType::Bool))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => map::binary(x, &mut y[0], each2(|a: T, b: T| a.ne(&b))));
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.node("Not", &[x.comparison("Equal")], &[])])
    }
}

#[fallible]
impl Tensor {
    /// `self != other`, broadcasting; true where either is NaN.
    pub fn ne(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Ne, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("ne", |a, x| {
        let (left, right) = a.pair(x);
        vec![left.ne(right)]
    })
}
