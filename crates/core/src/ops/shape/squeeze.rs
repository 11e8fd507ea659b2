//! `squeeze`: without axes of size 1.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Without those of the given axes (`..` for all) that have size 1; others stay. A view.
    pub fn squeeze(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let mut axes = axes.into().resolve(self.shape(), "squeeze")?;
        axes.retain(|a| self.shape()[*a] == 1);
        self.try_reshape(self.shape().reduce(&axes, false))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("squeeze", |a, x| vec![x[0].squeeze(a.axes("dim"))])
}
