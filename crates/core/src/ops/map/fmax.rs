//! `fmax`: the larger of two elements, passing over NaN.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The larger of `self` and `other`, broadcasting; the other one where one is NaN.
    pub fn fmax(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        let either = b.try_isnan()?.try_where_(&a, a.try_maximum(&b)?)?;
        a.try_isnan()?.try_where_(&b, &either)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("fmax", |_, x| vec![x[0].fmax(&x[1])])
}
