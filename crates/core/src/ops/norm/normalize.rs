//! `normalize`: vectors divided by their p-norm.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `x / max(‖x‖ₚ, eps)`, the norm being over the given axes. PyTorch's defaults are p = 2 and eps = 1e-12.
    pub fn normalize(&self, p: f64, axes: impl Into<Axes>, eps: f64) -> Result<Tensor> {
        self.try_div(self.try_norm_keepdim(p, axes)?.try_clamp_min(eps)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("normalize", |a, x| vec![x[0].normalize(a.float("p"), a.axes("dim"), a.float("eps"))])
}
