//! `cholesky_inverse`: the inverse of a matrix that is given by its Cholesky factor.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The inverse of `L·Lᵀ`, for the factors L `[…, n, n]` that [`Tensor::cholesky`] returns.
    pub fn cholesky_inverse(&self) -> Result<Tensor> {
        let n = self.shape().last().map_or(0, |&n| n);
        Tensor::eye(n).try_to_dtype(super::solve::result_type(self))?.try_cholesky_solve(self)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cholesky_inverse", |_, x| vec![x[0].matmul(x[0].t()).cholesky().cholesky_inverse()])
}
