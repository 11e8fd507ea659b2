//! `addr`: `beta·x + alpha·(u·vᵀ)` of vectors.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `beta·self + alpha·(u·vᵀ)` with vectors `u [m]` and `v [n]`; `self` broadcasts to `[m, n]`.
    pub fn addr(&self, u: &Tensor, v: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        u.try_outer(v)?.try_mul(alpha)?.try_add(self.try_mul(beta)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("addr", |a, x| vec![x[0].addr(&x[1], &x[2], a.float("beta"), a.float("alpha"))])
}
