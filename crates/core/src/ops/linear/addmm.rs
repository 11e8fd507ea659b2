//! `addmm`: `beta·x + alpha·(a·b)` of matrices.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `beta·self + alpha·(a·b)` with matrices `a [m, k]` and `b [k, n]`; `self` broadcasts to `[m, n]`.
    pub fn addmm(&self, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        if (a.rank(), b.rank()) != (2, 2) {
            let message = format!("needs two matrices, got shapes {} and {}", a.shape(), b.shape());
            return Err(Error::op("addmm", message));
        }
        a.try_matmul(b)?.try_mul(alpha)?.try_add(self.try_mul(beta)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("addmm", |a, x| vec![x[0].addmm(&x[1], &x[2], a.float("beta"), a.float("alpha"))])
}
