//! `max_pool2d`: the largest element of each window of images.

use super::pooling::{Pooling, max_pool, max_pool_with_indices};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The largest element of each window of `[batch, channels, height, width]` (the batch axis may be missing).
    /// The first of equal elements gets the gradient; a NaN counts as the largest.
    pub fn max_pool2d(&self, pooling: &Pooling) -> Result<Tensor> {
        max_pool("max_pool2d", 2, self, pooling)
    }

    /// As [`Tensor::max_pool2d`], and the flat place of each maximum in its plane, as `i64`.
    pub fn max_pool2d_with_indices(&self, pooling: &Pooling) -> Result<(Tensor, Tensor)> {
        max_pool_with_indices("max_pool2d", 2, self, pooling)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("max_pool2d", |a, x| {
        let (y, index) = x[0].max_pool2d_with_indices(&Pooling::recorded(a));
        vec![y, index]
    })
}
