//! `baddbmm`: `beta·x + alpha·(a·b)` of stacks of matrices.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `beta·self + alpha·(a·b)` with stacks `a [s, m, k]` and `b [s, k, n]`; `self` broadcasts to `[s, m, n]`.
    pub fn baddbmm(&self, a: &Tensor, b: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
        a.try_bmm(b)?.try_mul(alpha)?.try_add(self.try_mul(beta)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("baddbmm", |a, x| vec![x[0].baddbmm(&x[1], &x[2], a.float("beta"), a.float("alpha"))])
}
