//! `abs`: the absolute value of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Abs;

impl Op for Abs {
    fn name(&self) -> &'static str {
        "abs"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_number(self, &x[0])?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => map::unary(&x[0], &mut y[0], each(<T as Number>::magnitude)));
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).mul(g.input(0).sign()))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.arithmetic("Abs")
    }
}

#[fallible]
impl Tensor {
    /// The absolute value. The derivative at 0 is 0.
    pub fn abs(&self) -> Result<Tensor> {
        apply(Abs, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("abs", |_, x| vec![x[0].abs()])
}
