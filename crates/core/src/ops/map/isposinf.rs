//! `isposinf`: whether each element is +∞.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Whether each element is positive infinity, as bool.
    pub fn isposinf(&self) -> Result<Tensor> {
        self.try_isinf()?.try_logical_and(self.try_gt(0)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("isposinf", |_, x| vec![x[0].isposinf()])
}
