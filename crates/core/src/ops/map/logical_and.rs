//! `logical_and`: whether both elements are not zero.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Whether both elements are not zero, as bool; broadcasting. NaN counts as not zero.
    pub fn logical_and(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        a.try_to_dtype(DType::Bool)?.try_bitwise_and(b.try_to_dtype(DType::Bool)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logical_and", |_, x| vec![x[0].logical_and(&x[1])])
}
