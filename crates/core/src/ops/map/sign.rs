//! `sign`: −1, 0 or 1, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Sign;

impl Op for Sign {
    fn name(&self) -> &'static str {
        "sign"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    /// The difference of two comparisons: 0 for NaN, as in PyTorch.
    fn run(&self, x: &[Input], y: &mut [Output]) {
        match x[0].dtype() {
            DType::Bool => map::unary(&x[0], &mut y[0], each(|x: bool| x)),
            dtype => dispatch!(numbers dtype, T => {
                let zero = T::default();
                map::unary(&x[0], &mut y[0], each(|x: T| T::from_i64((x > zero) as i64 - (x < zero) as i64)))
            }),
        }
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).zeros_like())]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype {
            DType::Bool => Ok(vec![x.input(0)]),
            _ => x.arithmetic("Sign"),
        }
    }
}

#[fallible]
impl Tensor {
    /// 1 for positive elements, −1 for negative ones, 0 for zeros and NaN.
    pub fn sign(&self) -> Result<Tensor> {
        apply(Sign, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("sign", |_, x| vec![x[0].sign()])
}
