//! `trace`: the sum of a matrix's diagonal.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The sum of the diagonals of matrices `[…, m, n]`.
    pub fn trace(&self) -> Result<Tensor> {
        if self.rank() < 2 {
            return Err(Error::op("trace", format!("needs matrices, got shape {}", self.shape())));
        }
        self.try_diagonal(0, -2, -1)?.try_sum(-1)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("trace", |_, x| vec![x[0].trace()])
}
