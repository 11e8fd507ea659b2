//! `avg_pool1d`: the mean of each window of sequences.

use super::pooling::{Pooling, avg_pool};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The mean of each window of `[batch, channels, length]` (the batch axis may be missing).
    pub fn avg_pool1d(&self, pooling: &Pooling) -> Result<Tensor> {
        avg_pool("avg_pool1d", 1, self, pooling)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("avg_pool1d", |a, x| vec![x[0].avg_pool1d(&Pooling::recorded(a))])
}
