//! `lstsq`: least squares.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The X of least norm among those that minimize `‖self·X − right‖`: matrices `[…, m, n]` and `[…, m, k]` give
    /// `[…, n, k]`.
    pub fn lstsq(&self, right: &Tensor) -> Result<Tensor> {
        if self.rank() < 2 || right.rank() < 2 || self.size(-2) != right.size(-2) {
            let message = format!("needs matrices […, m, n] and […, m, k], got {} and {}", self.shape(), right.shape());
            return Err(Error::op("lstsq", message));
        }
        self.try_pinv()?.try_matmul(right)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("lstsq", |_, x| vec![x[0].lstsq(&x[1])])
}
