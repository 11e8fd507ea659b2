//! `var_mean`: variance and mean together.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The unbiased variance and the mean over the given axes (`..` for all), which disappear.
    pub fn var_mean(&self, axes: impl Into<Axes>) -> Result<(Tensor, Tensor)> {
        self.try_var_mean_with_correction(axes, 1.0)
    }

    /// The variance with divisor `n - correction`, and the mean.
    pub fn var_mean_with_correction(&self, axes: impl Into<Axes>, correction: f64) -> Result<(Tensor, Tensor)> {
        let axes = axes.into();
        let resolved = axes.resolve(self.shape(), "var")?;
        let (var, mean) = self.try_var_mean_keepdim_with_correction(axes, correction)?;
        let shape = self.shape().reduce(&resolved, false);
        Ok((var.try_reshape(&shape)?, mean.try_reshape(&shape)?))
    }

    /// As [`Tensor::var_mean`]; the axes stay with size 1.
    pub fn var_mean_keepdim(&self, axes: impl Into<Axes>) -> Result<(Tensor, Tensor)> {
        self.try_var_mean_keepdim_with_correction(axes, 1.0)
    }

    /// As [`Tensor::var_mean_with_correction`]; the axes stay with size 1.
    ///
    /// Two passes, the mean first: a large mean does not cancel the digits of a small variance.
    pub fn var_mean_keepdim_with_correction(&self, axes: impl Into<Axes>, correction: f64) -> Result<(Tensor, Tensor)> {
        let x = self.floating()?;
        let dtype = x.dtype();
        let x = x.try_to_dtype(dtype.compute())?;
        let axes = axes.into().resolve(x.shape(), "var")?;
        let count: usize = axes.iter().map(|&a| x.shape()[a]).product();
        let mean = x.try_mean_keepdim(&axes[..])?;
        let squares = x.try_sub(&mean)?.try_square()?.try_sum_keepdim(&axes[..])?;
        let var = squares.try_div((count as f64 - correction).max(0.0))?;
        Ok((var.try_to_dtype(dtype)?, mean.try_to_dtype(dtype)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("var_mean", |a, x| {
        let (axes, correction) = (a.axes("dim"), a.float_or("correction", 1.0));
        let (var, mean) = match a.flag("keepdim") {
            true => x[0].var_mean_keepdim_with_correction(axes, correction),
            false => x[0].var_mean_with_correction(axes, correction),
        };
        vec![var, mean]
    })
}
