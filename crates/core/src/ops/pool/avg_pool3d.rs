//! `avg_pool3d`: the mean of each window of volumes.

use super::pooling::{Pooling, avg_pool};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The mean of each window of `[batch, channels, depth, height, width]` (the batch axis may be missing).
    pub fn avg_pool3d(&self, pooling: &Pooling) -> Result<Tensor> {
        avg_pool("avg_pool3d", 3, self, pooling)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("avg_pool3d", |a, x| vec![x[0].avg_pool3d(&Pooling::recorded(a))])
}
