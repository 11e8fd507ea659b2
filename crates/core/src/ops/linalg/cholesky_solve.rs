//! `cholesky_solve`: equations whose matrix is given by its Cholesky factor.

use crate::Triangle;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The X with `L·Lᵀ·X = self`, for the factor L that [`Tensor::cholesky`] returns: right sides `[…, n, m]`.
    pub fn cholesky_solve(&self, factor: &Tensor) -> Result<Tensor> {
        let half = factor.try_solve_triangular(self, Triangle::Lower)?;
        factor.try_t()?.try_solve_triangular(&half, Triangle::Upper)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cholesky_solve", |_, x| vec![x[0].cholesky_solve(&x[1].matmul(x[1].t()).cholesky())])
}
