//! `max_pool3d`: the largest element of each window of volumes.

use super::pooling::{Pooling, max_pool, max_pool_with_indices};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The largest element of each window of `[batch, channels, depth, height, width]` (the batch axis may be missing).
    /// The first of equal elements gets the gradient; a NaN counts as the largest.
    pub fn max_pool3d(&self, pooling: &Pooling) -> Result<Tensor> {
        max_pool("max_pool3d", 3, self, pooling)
    }

    /// As [`Tensor::max_pool3d`], and the flat place of each maximum in its plane, as `i64`.
    pub fn max_pool3d_with_indices(&self, pooling: &Pooling) -> Result<(Tensor, Tensor)> {
        max_pool_with_indices("max_pool3d", 3, self, pooling)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("max_pool3d", |a, x| {
        let (y, index) = x[0].max_pool3d_with_indices(&Pooling::recorded(a));
        vec![y, index]
    })
}
