//! `logsumexp`: `log Σ eˣ` over any axes, without overflow.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `log Σ eˣ` over the given axes (`..` for all), which disappear. Integers are converted to `f32` first.
    pub fn logsumexp(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into();
        let shape = self.shape().reduce(&axes.resolve(self.shape(), "logsumexp")?, false);
        self.try_logsumexp_keepdim(axes)?.try_reshape(shape)
    }

    /// As [`Tensor::logsumexp`]; the axes stay with size 1.
    ///
    /// The largest element is subtracted first and added again; an infinite one is not, as `∞ - ∞` is NaN.
    pub fn logsumexp_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let x = self.floating()?;
        let axes = axes.into().resolve(x.shape(), "logsumexp")?;
        if axes.iter().any(|&a| x.shape()[a] == 0) {
            return x.try_exp()?.try_sum_keepdim(&axes[..])?.try_log();
        }
        let largest = x.detach().try_amax_keepdim(&axes[..])?;
        let largest = largest.try_masked_fill(&largest.try_isinf()?, 0)?;
        x.try_sub(&largest)?.try_exp()?.try_sum_keepdim(&axes[..])?.try_log()?.try_add(&largest)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logsumexp", |a, x| {
        let axes = a.axes("dim");
        vec![if a.flag("keepdim") { x[0].logsumexp_keepdim(axes) } else { x[0].logsumexp(axes) }]
    })
}
