//! `max_unpool`: maxima put back where max pooling found them.

use super::pooling::max_unpool;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Zeros of the spatial sizes `sizes` (one to three axes), with these elements at the places `indices` that
    /// `max_pool…_with_indices` gave. Elements sent to one place by overlapping windows are added.
    pub fn max_unpool(&self, indices: &Tensor, sizes: impl Into<Shape>) -> Result<Tensor> {
        max_unpool(self, indices, &sizes.into())
    }
}

pub(crate) fn cases() -> Cases {
    // The example of PyTorch's documentation of MaxUnpool2d.
    let y = Tensor::from([[[6.0f64, 8.0], [14.0, 16.0]]]);
    let index = Tensor::from([[[5i64, 7], [13, 15]]]);
    let mut x = [0.0; 16];
    [(5, 6.0), (7, 8.0), (13, 14.0), (15, 16.0)].into_iter().for_each(|(i, v)| x[i] = v);
    Cases::new("max_unpool", |_, x| vec![x[0].max_unpool(&x[1], [4, 4])]).with(
        "documented",
        "{}",
        &[y, index],
        &[Tensor::from(x).reshape([1, 4, 4])],
    )
}
