//! `div_floor`: `a / b` rounded towards minus infinity, element by element.

use crate::ops::prelude::*;
use crate::run::division::{Division, check_divisor};

#[derive(Debug)]
struct DivFloor;

impl Op for DivFloor {
    fn name(&self) -> &'static str {
        "div_floor"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => map::binary(x, &mut y[0], each2(<T as Division>::floor_quotient)));
    }

    /// Piecewise constant.
    fn grad(&self, g: &Grad) -> Grads {
        (0..2).map(|i| g.when(i, || Tensor::zeros_with(&g.meta(i).shape, g.meta(i).dtype))).collect()
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype.is_float() {
            true => x.composed(|x| {
                // From the exact remainder, so that rounding cannot reach the next integer.
                let (a, b) = (&x[0], &x[1]);
                let rest = a.fmod(b);
                let whole = a.sub(&rest).div(b);
                let below = rest.ne(0).logical_and(rest.lt(0).ne(b.lt(0)));
                let whole = below.where_(whole.sub(1), &whole).round();
                let whole = whole.eq(0).where_(a.div(b).mul(0), &whole);
                b.eq(0).where_(a.div(b), &whole)
            }),
            false => x.composed(|x| x[0].sub(x[0].remainder(&x[1])).div_trunc(&x[1])),
        }
    }
}

#[fallible]
impl Tensor {
    /// `self / other` rounded towards minus infinity; integers stay integers. An integer divisor must not be 0.
    pub fn div_floor(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        check_divisor("div_floor", &b)?;
        apply(DivFloor, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    // −7 = −3·3 + 2; in floats 1 / 0.1 is 9 whole times, because 0.1 is stored a little too large (Python: 1.0 // 0.1).
    Cases::new("div_floor", |_, x| vec![x[0].div_floor(&x[1])])
        .with(
            "bytes",
            "{}",
            &[Tensor::from([7i8, -7, -128]), Tensor::from([-3i8, 3, -1])],
            &[Tensor::from([-3i8, -3, -128])],
        )
        .with("inexact", "{}", &[Tensor::from([1.0f64]), Tensor::from(0.1f64)], &[Tensor::from([9.0f64])])
}
