//! `lp_pool1d`: the p-norm of each window of sequences.

use super::pooling::Pooling;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `(Σ x^p)^(1/p)` over each window, without padding; p = ∞ would be max pooling, p = 1 is sum pooling.
    pub fn lp_pool1d(&self, p: f64, pooling: &Pooling) -> Result<Tensor> {
        let size: usize = super::pooling::window_size("lp_pool1d", 1, pooling)?;
        self.try_pow(p)?.try_avg_pool1d(pooling)?.try_mul(size as f64)?.try_pow(1.0 / p)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("lp_pool1d", |a, x| vec![x[0].lp_pool1d(a.float("norm_type"), &Pooling::recorded(a))])
}
