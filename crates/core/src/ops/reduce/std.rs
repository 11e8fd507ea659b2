//! `std`: the standard deviation over any axes.

use crate::ops::prelude::*;

/// The root whose gradient is 0 where it is 0, as PyTorch's of equal elements.
fn root(var: &Tensor) -> Result<Tensor> {
    if !var.has_grad() {
        return var.try_sqrt();
    }
    let zero = var.try_eq(0)?;
    var.try_masked_fill(&zero, 1)?.try_sqrt()?.try_masked_fill(&zero, 0)
}

#[fallible]
impl Tensor {
    /// The square root of the unbiased variance over the given axes (`..` for all), which disappear.
    pub fn std(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        self.try_std_with_correction(axes, 1.0)
    }

    /// The square root of the variance with divisor `n - correction`.
    pub fn std_with_correction(&self, axes: impl Into<Axes>, correction: f64) -> Result<Tensor> {
        root(&self.try_var_with_correction(axes, correction)?)
    }

    /// As [`Tensor::std`]; the axes stay with size 1.
    pub fn std_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        self.try_std_keepdim_with_correction(axes, 1.0)
    }

    /// As [`Tensor::std_with_correction`]; the axes stay with size 1.
    pub fn std_keepdim_with_correction(&self, axes: impl Into<Axes>, correction: f64) -> Result<Tensor> {
        root(&self.try_var_keepdim_with_correction(axes, correction)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("std", |a, x| {
        let (axes, correction) = (a.axes("dim"), a.float_or("correction", 1.0));
        vec![match a.flag("keepdim") {
            true => x[0].std_keepdim_with_correction(axes, correction),
            false => x[0].std_with_correction(axes, correction),
        }]
    })
}
