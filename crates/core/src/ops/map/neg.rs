//! `neg`: `−x`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Neg;

impl Op for Neg {
    fn name(&self) -> &'static str {
        "neg"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if x[0].dtype == DType::Bool {
            return Err(Error::op("neg", "of a bool tensor is not defined; use .logical_not()"));
        }
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => map::unary(&x[0], &mut y[0], each(<T as map::Number>::negated)));
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).neg())]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.arithmetic("Neg")
    }
}

#[fallible]
impl Tensor {
    /// `-self`; integers wrap.
    pub fn neg(&self) -> Result<Tensor> {
        apply(Neg, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("neg", |_, x| vec![-&x[0]])
}
