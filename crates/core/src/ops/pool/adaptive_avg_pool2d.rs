//! `adaptive_avg_pool2d`: images averaged to given sizes.

use super::pooling::adaptive_avg_pool;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[batch, channels, height, width]` averaged to the given sizes (one for all axes, or one per axis): output i of n
    /// is the mean of inputs ⌊i·size/n⌋ to ⌈(i+1)·size/n⌉, as in PyTorch. Size 1 is the global mean.
    pub fn adaptive_avg_pool2d(&self, sizes: impl Into<Shape>) -> Result<Tensor> {
        adaptive_avg_pool("adaptive_avg_pool2d", 2, self, &sizes.into())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("adaptive_avg_pool2d", |a, x| vec![x[0].adaptive_avg_pool2d(a.sizes("output_size"))])
}
