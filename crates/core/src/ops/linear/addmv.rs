//! `addmv`: `beta·x + alpha·(a·v)` of a matrix and a vector.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `beta·self + alpha·(a·v)` with a matrix `a [m, k]` and a vector `v [k]`; `self` broadcasts to `[m]`.
    pub fn addmv(&self, a: &Tensor, v: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        a.try_mv(v)?.try_mul(alpha)?.try_add(self.try_mul(beta)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("addmv", |a, x| vec![x[0].addmv(&x[1], &x[2], a.float("beta"), a.float("alpha"))])
}
