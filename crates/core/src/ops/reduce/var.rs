//! `var`: the variance over any axes.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The unbiased variance over the given axes (`..` for all), which disappear: the sum of squared
    /// deviations over `n - 1`, as PyTorch's default.
    pub fn var(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        self.try_var_with_correction(axes, 1.0)
    }

    /// The variance with another divisor: `n - correction` (0: of the whole population).
    pub fn var_with_correction(&self, axes: impl Into<Axes>, correction: f64) -> Result<Tensor> {
        Ok(self.try_var_mean_with_correction(axes, correction)?.0)
    }

    /// The unbiased variance; the axes stay with size 1.
    pub fn var_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        self.try_var_keepdim_with_correction(axes, 1.0)
    }

    /// The variance with divisor `n - correction`; the axes stay with size 1.
    pub fn var_keepdim_with_correction(&self, axes: impl Into<Axes>, correction: f64) -> Result<Tensor> {
        Ok(self.try_var_mean_keepdim_with_correction(axes, correction)?.0)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("var", |a, x| {
        let (axes, correction) = (a.axes("dim"), a.float_or("correction", 1.0));
        vec![match a.flag("keepdim") {
            true => x[0].var_keepdim_with_correction(axes, correction),
            false => x[0].var_with_correction(axes, correction),
        }]
    })
}
