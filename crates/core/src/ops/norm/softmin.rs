//! `softmin` along one axis: `exp(−x) / Σ exp(−x)`.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `softmax` of the negated values along `axis`.
    pub fn softmin(&self, axis: isize) -> Result<Tensor> {
        self.try_neg()?.try_softmax(axis)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("softmin", |a, x| vec![x[0].softmin(a.integer("dim"))])
}
