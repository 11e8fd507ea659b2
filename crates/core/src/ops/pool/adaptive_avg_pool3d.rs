//! `adaptive_avg_pool3d`: volumes averaged to given sizes.

use super::pooling::adaptive_avg_pool;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[batch, channels, depth, height, width]` averaged to the given sizes (one for all axes, or one per axis): output i of n
    /// is the mean of inputs ⌊i·size/n⌋ to ⌈(i+1)·size/n⌉, as in PyTorch. Size 1 is the global mean.
    pub fn adaptive_avg_pool3d(&self, sizes: impl Into<Shape>) -> Result<Tensor> {
        adaptive_avg_pool("adaptive_avg_pool3d", 3, self, &sizes.into())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("adaptive_avg_pool3d", |a, x| vec![x[0].adaptive_avg_pool3d(a.sizes("output_size"))])
}
