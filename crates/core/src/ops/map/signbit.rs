//! `signbit`: whether each element is negative, −0 included.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Signbit;

impl Op for Signbit {
    fn name(&self) -> &'static str {
        "signbit"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_dtype(DType::Bool))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        match x[0].dtype() {
            DType::Bool => y[0].slice().fill(false),
            dtype if dtype.is_float() => {
                dispatch!(floats dtype, T => map::unary(&x[0], &mut y[0], each(|v: T| v.is_sign_negative())));
            }
            dtype => dispatch!(integers dtype, T => map::unary(&x[0], &mut y[0], each(|v: T| v < T::default()))),
        }
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.meta(0).dtype.is_float() {
            // The reciprocal of −0 is −∞.
            true => x.composed(|x| x[0].lt(0).logical_or(x[0].reciprocal().lt(0))),
            false => x.composed(|x| x[0].lt(0)),
        }
    }
}

#[fallible]
impl Tensor {
    /// Whether each element's sign is set, as bool: true for negative numbers and −0.
    pub fn signbit(&self) -> Result<Tensor> {
        apply(Signbit, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("signbit", |_, x| vec![x[0].signbit()])
}
