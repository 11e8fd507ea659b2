//! `div_trunc`: `a / b` rounded towards zero, element by element.

use crate::ops::prelude::*;
use crate::run::division::{Division, check_divisor};

#[derive(Debug)]
struct DivTrunc;

impl Op for DivTrunc {
    fn name(&self) -> &'static str {
        "div_trunc"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => map::binary(x, &mut y[0], each2(<T as Division>::trunc_quotient)));
    }

    /// Piecewise constant.
    fn grad(&self, g: &Grad) -> Grads {
        (0..2).map(|i| g.when(i, || Tensor::zeros_with(&g.meta(i).shape, g.meta(i).dtype))).collect()
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype.is_float() {
            true => x.composed(|x| x[0].div(&x[1]).trunc()),
            false => x.arithmetic("Div"),
        }
    }
}

#[fallible]
impl Tensor {
    /// `self / other` rounded towards zero; integers stay integers. An integer divisor must not be 0.
    pub fn div_trunc(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        check_divisor("div_trunc", &b)?;
        apply(DivTrunc, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    // By the definition; the quotient of i8's smallest number and −1 wraps.
    Cases::new("div_trunc", |_, x| vec![x[0].div_trunc(&x[1])]).with(
        "bytes",
        "{}",
        &[Tensor::from([7i8, -7, -128]), Tensor::from([-3i8, 3, -1])],
        &[Tensor::from([-2i8, -2, -128])],
    )
}
