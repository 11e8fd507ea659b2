//! `cosine_similarity`: the cosine of the angle between vectors.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `Σ a·b / (max(‖a‖, eps)·max(‖b‖, eps))` along `axis` of the broadcast shape. PyTorch's default eps is 1e-8.
    pub fn cosine_similarity(&self, other: &Tensor, axis: isize, eps: f64) -> Result<Tensor> {
        let shape = self.shape().broadcast(other.shape(), "cosine_similarity")?;
        let axis = shape.axis(axis, "cosine_similarity")? as isize;
        let unit = |t: &Tensor| t.try_expand(&shape)?.try_normalize(2.0, [axis], eps);
        unit(self)?.try_mul(unit(other)?)?.try_sum(axis)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cosine_similarity", |a, x| vec![x[0].cosine_similarity(&x[1], a.integer("dim"), a.float("eps"))])
}
