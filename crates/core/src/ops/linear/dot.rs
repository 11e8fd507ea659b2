//! `dot`: the inner product of two vectors.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `Σ self·other` of two vectors of one length.
    pub fn dot(&self, other: &Tensor) -> Result<Tensor> {
        if (self.rank(), other.rank()) != (1, 1) {
            let message = format!("needs two vectors, got shapes {} and {}", self.shape(), other.shape());
            return Err(Error::op("dot", message));
        }
        self.try_matmul(other)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("dot", |_, x| vec![x[0].dot(&x[1])])
}
