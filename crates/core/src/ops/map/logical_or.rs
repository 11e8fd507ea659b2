//! `logical_or`: whether either of the two elements is not zero.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Whether either of the two elements is not zero, as bool; broadcasting. NaN counts as not zero.
    pub fn logical_or(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        a.try_to_dtype(DType::Bool)?.try_bitwise_or(b.try_to_dtype(DType::Bool)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logical_or", |_, x| vec![x[0].logical_or(&x[1])])
}
