//! `rms_norm`: the last axes of each sample divided by their root mean square (Zhang & Sennrich 2019).

use super::group_norm::scale_to_unit;
use super::layer_norm::trailing;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `x / sqrt(mean(x²) + eps) · weight` over the last axes, whose sizes are `normalized`. Without `eps`, the
    /// distance from 1 to the next number of the type.
    pub fn rms_norm(&self, normalized: impl Into<Shape>, weight: Option<&Tensor>, eps: Option<f64>) -> Result<Tensor> {
        let (rows, columns) = trailing("rms_norm", self.shape(), &normalized.into())?;
        let smallest = if self.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON as f64 };
        scale_to_unit("rms_norm", self, [rows, columns], weight, eps.unwrap_or(smallest))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("rms_norm", |a, x| vec![x[0].rms_norm(a.sizes("normalized_shape"), x.get(1), a.float_opt("eps"))])
}
