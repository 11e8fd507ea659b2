//! `nanmean`: the mean of the elements that are numbers.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The mean over the given axes (`..` for all), which disappear, without the elements that are NaN; NaN where
    /// nothing is left.
    pub fn nanmean(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into();
        let x = self.floating()?;
        let counts = x.try_isnan()?.try_logical_not()?.try_sum(axes.clone())?;
        x.try_nansum(axes)?.try_div(counts)
    }

    /// As [`Tensor::nanmean`]; the axes stay with size 1.
    pub fn nanmean_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into();
        let x = self.floating()?;
        let counts = x.try_isnan()?.try_logical_not()?.try_sum_keepdim(axes.clone())?;
        x.try_nansum_keepdim(axes)?.try_div(counts)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("nanmean", |a, x| {
        vec![if a.flag("keepdim") { x[0].nanmean_keepdim(a.axes("dim")) } else { x[0].nanmean(a.axes("dim")) }]
    })
}
