//! `inner`: sums of products over the last axes.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The products of the last axes of both, which must be equally long: `[…, k]` and `[…, k]` give the other axes of
    /// both; a product if either is a scalar.
    pub fn inner(&self, other: &Tensor) -> Result<Tensor> {
        if self.rank() == 0 || other.rank() == 0 {
            return self.try_mul(other);
        }
        self.try_tensordot(other, [-1], [-1])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("inner", |_, x| vec![x[0].inner(&x[1])])
}
