//! `nansum`: the sum of the elements that are numbers.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The sum over the given axes (`..` for all), which disappear, NaN counting as 0.
    pub fn nansum(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        numbers(self)?.try_sum(axes)
    }

    /// As [`Tensor::nansum`]; the axes stay with size 1.
    pub fn nansum_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        numbers(self)?.try_sum_keepdim(axes)
    }
}

/// The tensor with 0 in place of NaN.
fn numbers(x: &Tensor) -> Result<Tensor> {
    x.try_masked_fill(&x.try_isnan()?, 0)
}

pub(crate) fn cases() -> Cases {
    Cases::new("nansum", |a, x| {
        vec![if a.flag("keepdim") { x[0].nansum_keepdim(a.axes("dim")) } else { x[0].nansum(a.axes("dim")) }]
    })
}
