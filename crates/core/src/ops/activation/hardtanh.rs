//! `hardtanh`: `min(max(x, low), high)` whose derivative at the bounds is 0.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `min(max(self, low), high)` (PyTorch's defaults are −1 and 1): [`Tensor::clamp`] under its name as an activation.
    pub fn hardtanh(&self, low: f64, high: f64) -> Result<Tensor> {
        self.try_clamp(low, high)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("hardtanh", |a, x| vec![x[0].hardtanh(a.float_or("min_val", -1.0), a.float_or("max_val", 1.0))])
}
