//! `logical_xor`: whether exactly one of the two elements is not zero.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Whether exactly one of the two elements is not zero, as bool; broadcasting. NaN counts as not zero.
    pub fn logical_xor(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        a.try_to_dtype(DType::Bool)?.try_bitwise_xor(b.try_to_dtype(DType::Bool)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logical_xor", |_, x| vec![x[0].logical_xor(&x[1])])
}
