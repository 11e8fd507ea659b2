//! `std_mean`: standard deviation and mean together.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The root of the unbiased variance, and the mean, over the given axes (`..` for all), which disappear.
    pub fn std_mean(&self, axes: impl Into<Axes>) -> Result<(Tensor, Tensor)> {
        let axes = axes.into();
        Ok((self.try_std(axes.clone())?, self.try_mean(axes)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("std_mean", |a, x| {
        let (std, mean) = x[0].std_mean(a.axes("dim"));
        vec![std, mean]
    })
}
