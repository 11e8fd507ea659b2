//! `avg_pool2d`: the mean of each window of images.

use super::pooling::{Pooling, avg_pool};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The mean of each window of `[batch, channels, height, width]` (the batch axis may be missing).
    pub fn avg_pool2d(&self, pooling: &Pooling) -> Result<Tensor> {
        avg_pool("avg_pool2d", 2, self, pooling)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("avg_pool2d", |a, x| vec![x[0].avg_pool2d(&Pooling::recorded(a))])
}
