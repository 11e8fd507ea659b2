//! `div`: `a / b`, element by element, in floating point.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Div;

impl Op for Div {
    fn name(&self) -> &'static str {
        "div"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(floats y[0].dtype(), T => map::binary(x, &mut y[0], each2(|a: T, b: T| a / b)));
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b10, outputs: 0b1 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let quotient = g.of(0).div(g.input(1)); // ∂/∂a = 1/b, ∂/∂b = −(a/b)/b
        vec![
            g.when(0, || quotient.sum_to(&g.meta(0).shape)),
            g.when(1, || quotient.mul(g.output(0)).neg().sum_to(&g.meta(1).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.arithmetic("Div")
    }
}

#[fallible]
impl Tensor {
    /// `self / other`, broadcasting. Integers are converted to `f32` first, as in PyTorch.
    pub fn div(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        let dtype = a.dtype().to_float();
        apply(Div, &[&a.try_to_dtype(dtype)?, &b.try_to_dtype(dtype)?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("div", |a, x| {
        let (left, right) = a.pair(x);
        vec![match a.get("rounding_mode").and_then(|mode| mode.as_str()) {
            None => left / right,
            Some("floor") => left.div_floor(right),
            Some(_) => left.div_trunc(right),
        }]
    })
}
