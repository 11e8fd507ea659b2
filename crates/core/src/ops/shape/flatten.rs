//! `flatten`: neighbouring axes joined into one.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Axes `start` to `end` (both included; `flatten(1, -1)` keeps the batch axis) joined into one.
    /// A scalar becomes a vector of one element.
    pub fn flatten(&self, start: isize, end: isize) -> Result<Tensor> {
        if self.rank() == 0 {
            return self.try_unsqueeze(0);
        }
        let (from, to) = (self.shape().axis(start, "flatten")?, self.shape().axis(end, "flatten")?);
        if from > to {
            let message = format!("needs the first axis before the last, got {start} to {end} for {}", self.shape());
            return Err(Error::op("flatten", message));
        }
        let mut shape = self.shape().clone();
        shape.sizes_mut()[from] = self.shape()[from..=to].iter().product();
        shape.sizes_mut().drain(from + 1..=to);
        self.try_reshape(shape)
    }

    /// All elements in row-major order as a vector.
    pub fn ravel(&self) -> Result<Tensor> {
        self.try_reshape(self.elements())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("flatten", |a, x| vec![x[0].flatten(a.integer("start_dim"), a.integer("end_dim"))])
}
