//! `cdist`: the distances between all vectors of one set and all of another.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[…, m, k]` and `[…, n, k]` give `[…, m, n]`: the p-norms of all differences, each computed from the difference
    /// itself (so equal vectors are exactly 0 apart, and have gradient 0).
    pub fn cdist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        if self.rank() < 2 || other.rank() < 2 || self.size(-1) != other.size(-1) {
            let message = format!("needs vectors […, m, k] and […, n, k], got {} and {}", self.shape(), other.shape());
            return Err(Error::op("cdist", message));
        }
        self.try_unsqueeze(-2)?.try_sub(other.try_unsqueeze(-3)?)?.try_norm(p, -1)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cdist", |a, x| vec![x[0].cdist(&x[1], a.float("p"))])
}
