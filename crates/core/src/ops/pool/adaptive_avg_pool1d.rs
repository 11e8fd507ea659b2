//! `adaptive_avg_pool1d`: sequences averaged to given sizes.

use super::pooling::adaptive_avg_pool;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[batch, channels, length]` averaged to the given sizes (one for all axes, or one per axis): output i of n
    /// is the mean of inputs ⌊i·size/n⌋ to ⌈(i+1)·size/n⌉, as in PyTorch. Size 1 is the global mean.
    pub fn adaptive_avg_pool1d(&self, sizes: impl Into<Shape>) -> Result<Tensor> {
        adaptive_avg_pool("adaptive_avg_pool1d", 1, self, &sizes.into())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("adaptive_avg_pool1d", |a, x| vec![x[0].adaptive_avg_pool1d(a.sizes("output_size"))])
}
