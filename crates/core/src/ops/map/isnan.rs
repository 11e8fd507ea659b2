//! `isnan`: whether each element is NaN.

use crate::ops::prelude::*;

#[derive(Debug)]
struct IsNan;

impl Op for IsNan {
    fn name(&self) -> &'static str {
        "isnan"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_dtype(DType::Bool))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        match x[0].dtype() {
            dtype if dtype.is_float() => {
                dispatch!(floats dtype, T => map::unary(&x[0], &mut y[0], each(|v: T| v.is_nan())));
            }
            _ => y[0].slice().fill(false),
        }
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype.is_float() {
            true => x.op("IsNaN", &[]),
            false => x.composed(|x| x[0].ne(&x[0])),
        }
    }
}

#[fallible]
impl Tensor {
    /// Whether each element is NaN, as bool.
    pub fn isnan(&self) -> Result<Tensor> {
        apply(IsNan, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("isnan", |_, x| vec![x[0].isnan()])
}
