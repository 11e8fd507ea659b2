//! `outer`: every element of one vector times every element of another.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[m]` by `[n]` gives `[m, n]`.
    pub fn outer(&self, other: &Tensor) -> Result<Tensor> {
        if (self.rank(), other.rank()) != (1, 1) {
            let message = format!("needs two vectors, got shapes {} and {}", self.shape(), other.shape());
            return Err(Error::op("outer", message));
        }
        self.try_unsqueeze(1)?.try_mul(other)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("outer", |_, x| vec![x[0].outer(&x[1])])
}
