//! `take_along_dim`: `gather` with broadcasting.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// As [`Tensor::gather`], the tensor and the index broadcasting in all axes but `axis`: takes the positions
    /// that `argmax_keepdim`, `argsort` and the like return.
    pub fn take_along_dim(&self, index: &Tensor, axis: isize) -> Result<Tensor> {
        let at = self.shape().axis(axis, "take_along_dim")?;
        if index.rank() != self.rank() {
            let message = format!("needs an index of rank {}, got shape {}", self.rank(), index.shape());
            return Err(Error::op("take_along_dim", message));
        }
        let with = |shape: &Shape, size: usize| {
            let mut shape = shape.clone();
            shape.sizes_mut()[at] = size;
            shape
        };
        let joined = with(self.shape(), 1).broadcast(&with(index.shape(), 1), "take_along_dim")?;
        let x = self.try_expand(with(&joined, self.shape()[at]))?;
        x.try_gather(axis, &index.try_expand(with(&joined, index.shape()[at]))?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("take_along_dim", |a, x| vec![x[0].take_along_dim(&x[1], a.integer("dim"))])
}
