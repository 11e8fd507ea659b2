//! `scaled_dot_product_attention`: `softmax(Q·Kᵀ / √d)·V` (Vaswani et al. 2017).

use crate::ops::prelude::*;

/// What a query may attend to.
#[derive(Clone, Debug, Default)]
pub struct Attention {
    /// Broadcasts to the scores `[…, queries, keys]`: `false` hides a key, a number is added to its score. A query
    /// that sees no key gets zeros.
    pub mask: Option<Tensor>,
    /// Whether query i sees keys 0 to i only.
    pub causal: bool,
    /// What scores are multiplied by; 1/√d by default.
    pub scale: Option<f64>,
}

/// `scores`, −∞ where `seen` is false.
fn hide(scores: &Tensor, seen: &Tensor) -> Result<Tensor> {
    seen.try_where_(scores, f64::NEG_INFINITY)
}

#[fallible]
impl Tensor {
    /// For every query `[…, queries, d]` of this tensor, the mean of `value [..., keys, e]` weighted by the softmax of
    /// the query's products with `key [..., keys, d]`: `[…, queries, e]`.
    pub fn scaled_dot_product_attention(&self, key: &Tensor, value: &Tensor, attention: &Attention) -> Result<Tensor> {
        let (Some(&d), [.., keys, width]) = (self.shape().last(), &key.shape()[..]) else {
            let message =
                format!("needs matrices of queries and keys, got shapes {} and {}", self.shape(), key.shape());
            return Err(Error::op("scaled_dot_product_attention", message));
        };
        if d != *width || value.rank() < 2 || value.size(-2) != *keys {
            let message = format!(
                "needs queries […, q, d], keys […, k, d] and values […, k, e], got {}, {} and {}",
                self.shape(),
                key.shape(),
                value.shape()
            );
            return Err(Error::op("scaled_dot_product_attention", message));
        }
        let scale = attention.scale.unwrap_or(1.0 / (d as f64).sqrt());
        let mut scores = self.try_mul(scale)?.try_matmul(key.try_t()?)?;
        if attention.causal {
            let (queries, keys) = (Tensor::arange(scores.size(-2)), Tensor::arange(*keys));
            scores = hide(&scores, &queries.try_unsqueeze(-1)?.try_ge(&keys)?)?;
        }
        let Some(mask) = &attention.mask else { return scores.try_softmax(-1)?.try_matmul(value) };
        scores = if mask.dtype() == DType::Bool { hide(&scores, mask)? } else { scores.try_add(mask)? };
        // The softmax of nothing but −∞ is NaN, and so would be its gradient.
        let blind = scores.try_eq(f64::NEG_INFINITY)?.try_all_keepdim(-1)?;
        let weights = blind.try_where_(0, &scores)?.try_softmax(-1)?;
        blind.try_where_(0, &weights)?.try_matmul(value)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("scaled_dot_product_attention", |a, x| {
        let attention = Attention { mask: x.get(3).cloned(), causal: a.flag("is_causal"), scale: None };
        vec![x[0].scaled_dot_product_attention(&x[1], &x[2], &attention)]
    })
}
