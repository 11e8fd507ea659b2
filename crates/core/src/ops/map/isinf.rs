//! `isinf`: whether each element is infinite.

use crate::ops::prelude::*;

#[derive(Debug)]
struct IsInf;

impl Op for IsInf {
    fn name(&self) -> &'static str {
        "isinf"
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
                dispatch!(floats dtype, T => map::unary(&x[0], &mut y[0], each(|v: T| v.is_infinite())));
            }
            _ => y[0].slice().fill(false),
        }
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype.is_float() {
            true => x.op("IsInf", &[]),
            false => x.composed(|x| x[0].ne(&x[0])),
        }
    }
}

#[fallible]
impl Tensor {
    /// Whether each element is infinite, as bool.
    pub fn isinf(&self) -> Result<Tensor> {
        apply(IsInf, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("isinf", |_, x| vec![x[0].isinf()])
}
