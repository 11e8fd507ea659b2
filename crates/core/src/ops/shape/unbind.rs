//! `unbind`: the slices along an axis, which disappears.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// One tensor per position along `axis`, without that axis. Views.
    pub fn unbind(&self, axis: isize) -> Result<Vec<Tensor>> {
        let at = self.shape().axis(axis, "unbind")?;
        let slices = self.try_split_sizes(&vec![1; self.shape()[at]], axis)?;
        slices.iter().map(|slice| slice.try_squeeze(at)).collect()
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("unbind", |a, x| x[0].unbind(a.integer("dim")))
}
