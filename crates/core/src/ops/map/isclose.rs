//! `isclose`: whether elements are equal but for rounding.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `|self − other| ≤ atol + rtol·|other|`, element by element, as bool; equal infinities are close, NaN is close to
    /// nothing. PyTorch's defaults are rtol = 1e-5 and atol = 1e-8.
    pub fn isclose(&self, other: impl Operand, rtol: f64, atol: f64) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        let exact = |t: &Tensor| t.try_to_dtype(if t.dtype().is_float() { t.dtype() } else { DType::F64 });
        let (a, b) = (exact(&a)?, exact(&b)?);
        let near = a.try_sub(&b)?.try_abs()?.try_le(b.try_abs()?.try_mul(rtol)?.try_add(atol)?)?;
        a.try_eq(&b)?.try_logical_or(near.try_logical_and(b.try_isfinite()?)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("isclose", |a, x| vec![x[0].isclose(&x[1], a.float("rtol"), a.float("atol"))])
}
