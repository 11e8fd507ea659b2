//! `adaptive_max_pool3d`: the maxima of volumes in given sizes.

use super::pooling::{adaptive_max_pool, adaptive_max_pool_with_indices};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The maxima of `[batch, channels, depth, height, width]` over windows that divide it into the given sizes (one for all
    /// axes, or one per axis), as in PyTorch. Size 1 is the global maximum.
    pub fn adaptive_max_pool3d(&self, sizes: impl Into<Shape>) -> Result<Tensor> {
        adaptive_max_pool("adaptive_max_pool3d", 3, self, &sizes.into())
    }

    /// As [`Tensor::adaptive_max_pool3d`], and the flat place of each maximum in its plane, as `i64`.
    pub fn adaptive_max_pool3d_with_indices(&self, sizes: impl Into<Shape>) -> Result<(Tensor, Tensor)> {
        adaptive_max_pool_with_indices("adaptive_max_pool3d", 3, self, &sizes.into())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("adaptive_max_pool3d", |a, x| {
        let (y, index) = x[0].adaptive_max_pool3d_with_indices(a.sizes("output_size"));
        vec![y, index]
    })
}
