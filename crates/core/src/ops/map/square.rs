//! `square`: `x²`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Square;

impl Op for Square {
    fn name(&self) -> &'static str {
        "square"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => map::unary(&x[0], &mut y[0], each(|x: T| x.times(x))));
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).mul(g.input(0).mul(2)))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].mul(&x[0]))
    }
}

#[fallible]
impl Tensor {
    /// `self * self`; integers wrap, bools become `i64`.
    pub fn square(&self) -> Result<Tensor> {
        match self.dtype() {
            DType::Bool => apply(Square, &[&self.try_to_dtype(DType::I64)?]),
            _ => apply(Square, &[self]),
        }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("square", |_, x| vec![x[0].square()])
}
