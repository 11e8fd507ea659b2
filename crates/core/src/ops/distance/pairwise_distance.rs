//! `pairwise_distance`: the distances between the vectors of two tensors, one by one.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `‖a − b + eps‖ₚ` over the last axis, which disappears; the others broadcast. PyTorch's defaults are p = 2 and
    /// eps = 1e-6, which keeps the gradient finite where the vectors are equal.
    pub fn pairwise_distance(&self, other: &Tensor, p: f64, eps: f64) -> Result<Tensor> {
        self.try_sub(other)?.try_add(eps)?.try_norm(p, -1)
    }

    /// As [`Tensor::pairwise_distance`]; the last axis stays with size 1.
    pub fn pairwise_distance_keepdim(&self, other: &Tensor, p: f64, eps: f64) -> Result<Tensor> {
        self.try_sub(other)?.try_add(eps)?.try_norm_keepdim(p, -1)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("pairwise_distance", |a, x| {
        let (p, eps) = (a.float("p"), a.float("eps"));
        vec![match a.flag("keepdim") {
            true => x[0].pairwise_distance_keepdim(&x[1], p, eps),
            false => x[0].pairwise_distance(&x[1], p, eps),
        }]
    })
}
