//! `mv`: a matrix times a vector.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[m, k]` by `[k]` gives `[m]`.
    pub fn mv(&self, vector: &Tensor) -> Result<Tensor> {
        if (self.rank(), vector.rank()) != (2, 1) {
            let message = format!("needs a matrix and a vector, got shapes {} and {}", self.shape(), vector.shape());
            return Err(Error::op("mv", message));
        }
        self.try_matmul(vector)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("mv", |_, x| vec![x[0].mv(&x[1])])
}
