//! `layer_norm`: the last axes of each sample brought to mean 0 and variance 1 (Ba, Kiros & Hinton 2016).

use super::group_norm::normalize;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The elements of the last axes, whose sizes are `normalized`, brought to mean 0 and variance 1, then
    /// `·weight + bias`, both of those sizes.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let y = Tensor::from([[1.0f64, 3.0], [0.0, 8.0]]).layer_norm(2, None, None, 0.0);
    /// assert_eq!(y.to_vec::<f64>(), [-1.0, 1.0, -1.0, 1.0]);
    /// ```
    pub fn layer_norm(
        &self,
        normalized: impl Into<Shape>,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let (rows, columns) = trailing("layer_norm", self.shape(), &normalized.into())?;
        normalize("layer_norm", self, [rows, columns, 1], 1, [weight, bias], eps)
    }
}

/// The shape as rows and columns, the columns being the last axes, of the sizes `last`.
pub(crate) fn trailing(op: &'static str, shape: &Shape, last: &Shape) -> Result<(usize, usize)> {
    match shape.strip_suffix(&last[..]) {
        Some(outer) if last.rank() > 0 => Ok((outer.iter().product(), last.elements())),
        _ => Err(Error::op(op, format!("is over the last axes {last}, but the input has shape {shape}"))),
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("layer_norm", |a, x| {
        vec![x[0].layer_norm(a.sizes("normalized_shape"), x.get(1), x.get(2), a.float("eps"))]
    })
}
