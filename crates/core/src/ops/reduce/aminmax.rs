//! `aminmax`: the smallest and the largest element along any axes.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// [`Tensor::amin`] and [`Tensor::amax`] over the given axes (`..` for all), which disappear.
    pub fn aminmax(&self, axes: impl Into<Axes>) -> Result<(Tensor, Tensor)> {
        let axes = axes.into();
        Ok((self.try_amin(axes.clone())?, self.try_amax(axes)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("aminmax", |a, x| {
        let (low, high) = x[0].aminmax(a.axes("dim"));
        vec![low, high]
    })
}
