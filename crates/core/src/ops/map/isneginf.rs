//! `isneginf`: whether each element is −∞.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Whether each element is negative infinity, as bool.
    pub fn isneginf(&self) -> Result<Tensor> {
        self.try_isinf()?.try_logical_and(self.try_lt(0)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("isneginf", |_, x| vec![x[0].isneginf()])
}
