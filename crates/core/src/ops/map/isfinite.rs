//! `isfinite`: whether each element is neither infinite nor NaN.

use crate::ops::prelude::*;

#[derive(Debug)]
struct IsFinite;

impl Op for IsFinite {
    fn name(&self) -> &'static str {
        "isfinite"
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
                dispatch!(floats dtype, T => map::unary(&x[0], &mut y[0], each(|v: T| v.is_finite())));
            }
            _ => y[0].slice().fill(true),
        }
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype.is_float() {
            true => x.composed(|x| x[0].isnan().logical_or(x[0].isinf()).logical_not()),
            false => x.composed(|x| x[0].eq(&x[0])),
        }
    }
}

#[fallible]
impl Tensor {
    /// Whether each element is neither infinite nor NaN, as bool.
    pub fn isfinite(&self) -> Result<Tensor> {
        apply(IsFinite, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("isfinite", |_, x| vec![x[0].isfinite()])
}
