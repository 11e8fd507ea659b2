//! `lp_pool2d`: the p-norm of each window of images.

use super::pooling::Pooling;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `(Σ x^p)^(1/p)` over each window, without padding; p = ∞ would be max pooling, p = 1 is sum pooling.
    pub fn lp_pool2d(&self, p: f64, pooling: &Pooling) -> Result<Tensor> {
        let size: usize = super::pooling::window_size("lp_pool2d", 2, pooling)?;
        self.try_pow(p)?.try_avg_pool2d(pooling)?.try_mul(size as f64)?.try_pow(1.0 / p)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("lp_pool2d", |a, x| vec![x[0].lp_pool2d(a.float("norm_type"), &Pooling::recorded(a))])
}
