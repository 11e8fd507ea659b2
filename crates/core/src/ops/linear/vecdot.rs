//! `vecdot`: scalar products along an axis.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The sums of products along `axis` of the broadcast shape, which disappears.
    pub fn vecdot(&self, other: &Tensor, axis: isize) -> Result<Tensor> {
        self.try_mul(other)?.try_sum(axis)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("vecdot", |a, x| vec![x[0].vecdot(&x[1], a.integer("dim"))])
}
