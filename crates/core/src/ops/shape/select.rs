//! `select`: one position along an axis, which disappears.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Position `index` along `axis` (both counted from the end when negative); the axis disappears. A view.
    pub fn select(&self, axis: isize, index: isize) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "select")?;
        let size = self.shape()[axis] as isize;
        let at = if index < 0 { index + size } else { index };
        if !(0..size).contains(&at) {
            let shape = self.shape();
            let message = format!("got index {index} for axis {axis} of size {size} (shape {shape})");
            return Err(Error::op("select", message));
        }
        self.stepped(axis, at as usize, 1, 1)?.try_squeeze(axis)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("select", |a, x| vec![x[0].select(a.integer("dim"), a.integer("index"))])
}
