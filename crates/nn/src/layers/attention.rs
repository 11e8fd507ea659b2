//! Scaled dot-product attention (Vaswani et al., NIPS 2017, arXiv:1706.03762), and what may attend to what.

use hadal_core::{Attention, DType, Error, Result, Tensor};

/// What queries may not attend to, and how much they prefer what they may.
///
/// All given parts hold together. A query that may attend to nothing gets zeros.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::layers::{AttentionMask, MultiheadAttention};
/// let attention = MultiheadAttention::new(8, 2);
/// let x = Tensor::ones([1, 3, 8]);
/// let padding = Tensor::from([[false, false, true]]);
/// let mask = AttentionMask::new().causal().padding(padding);
/// assert_eq!(*attention.attend(&x, &x, &x, &mask).shape(), [1, 3, 8]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct AttentionMask {
    causal: bool,
    blocked: Option<Tensor>,
    bias: Option<Tensor>,
    padding: Option<Tensor>,
}

impl AttentionMask {
    /// Everything attends to everything.
    pub fn new() -> AttentionMask {
        AttentionMask::default()
    }

    /// Query `i` attends to keys `0..=i` only.
    pub fn causal(self) -> AttentionMask {
        AttentionMask { causal: true, ..self }
    }

    /// Where `blocked` is true, a query does not attend to a key: `[queries, keys]`, `[batch·heads, queries, keys]`, or
    /// what broadcasts to `[batch, heads, queries, keys]`. PyTorch's boolean `attn_mask`.
    pub fn blocked(self, blocked: Tensor) -> AttentionMask {
        AttentionMask { blocked: Some(blocked), ..self }
    }

    /// Added to the scores, in the shapes of [`AttentionMask::blocked`]. PyTorch's floating-point `attn_mask`.
    pub fn bias(self, bias: Tensor) -> AttentionMask {
        AttentionMask { bias: Some(bias), ..self }
    }

    /// Keys `[batch, keys]` that are true fill a sequence up and mean nothing. PyTorch's `key_padding_mask`.
    pub fn padding(self, padding: Tensor) -> AttentionMask {
        AttentionMask { padding: Some(padding), ..self }
    }

    /// What is blocked besides the causal rule, for scores `[batch, heads, queries, keys]`.
    fn hidden(&self, scores: [usize; 4]) -> Result<Option<Tensor>> {
        let [batch, .., keys] = scores;
        let blocked = self.blocked.as_ref().map(|blocked| aligned(blocked, scores, "blocked")).transpose()?;
        let padding = match &self.padding {
            Some(padding) if *padding.shape() != [batch, keys] => {
                let message = format!("expects padding [{batch}, {keys}] (batch, keys), got {}", padding.shape());
                return Err(Error::op("attention", message));
            }
            padding => padding.as_ref().map(|padding| padding.try_reshape([batch, 1, 1, keys])).transpose()?,
        };
        if let Some(other) = blocked.iter().chain(&padding).find(|part| part.dtype() != DType::Bool) {
            let message = format!("expects booleans for what is blocked, got {}; use bias for scores", other.dtype());
            return Err(Error::op("attention", message));
        }
        match (blocked, padding) {
            (Some(blocked), Some(padding)) => blocked.try_logical_or(padding).map(Some),
            (blocked, padding) => Ok(blocked.or(padding)),
        }
    }
}

/// A mask with one matrix per batch and head as four axes; others as they are.
fn aligned(mask: &Tensor, scores: [usize; 4], what: &str) -> Result<Tensor> {
    let [batch, heads, queries, keys] = scores;
    if *mask.shape() == [batch * heads, queries, keys] {
        return mask.try_reshape(scores);
    }
    if mask.shape().broadcast(&scores.into(), "attention").is_ok_and(|shape| shape == scores) {
        return Ok(mask.clone());
    }
    let message =
        format!("expects {what} to fit scores {scores:?} (batch, heads, queries, keys), got {}", mask.shape());
    Err(Error::op("attention", message))
}

/// `softmax(q·kᵀ/√size + bias)·v`: `[batch, heads, queries, value size]` of `query [batch, heads, queries, size]`,
/// `key [batch, heads, keys, size]` and `value [batch, heads, keys, value size]`. A share `dropout` of the weights is
/// dropped.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::layers::{AttentionMask, attention};
/// let (query, key) = (Tensor::ones([2, 4, 5, 8]), Tensor::ones([2, 4, 7, 8]));
/// assert_eq!(*attention(&query, &key, &key, &AttentionMask::new(), 0.0).shape(), [2, 4, 5, 8]);
/// ```
#[track_caller]
pub fn attention(query: &Tensor, key: &Tensor, value: &Tensor, mask: &AttentionMask, dropout: f64) -> Tensor {
    match try_attention(query, key, value, mask, dropout) {
        Ok(found) => found,
        Err(error) => error.raise(),
    }
}

/// Fallible twin of [`attention`]: returns the error instead of panicking.
pub fn try_attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    mask: &AttentionMask,
    dropout: f64,
) -> Result<Tensor> {
    if dropout > 0.0 {
        return attention_weights(query, key, mask, dropout)?.try_matmul(value);
    }
    let scores = scores(query, key)?;
    let hidden = mask.hidden(scores)?;
    let bias = mask.bias.as_ref().map(|bias| aligned(bias, scores, "bias")).transpose()?;
    let joined = match (hidden, bias) {
        (Some(hidden), Some(bias)) => Some(hidden.try_where_(f64::NEG_INFINITY, bias)?),
        (Some(hidden), None) => Some(hidden.try_logical_not()?),
        (None, bias) => bias,
    };
    let attention = Attention { mask: joined, causal: mask.causal, scale: None };
    query.try_scaled_dot_product_attention(key, value, &attention)
}

/// The shape of the scores.
fn scores(query: &Tensor, key: &Tensor) -> Result<[usize; 4]> {
    match (&query.shape()[..], &key.shape()[..]) {
        (&[batch, heads, queries, size], &[batches, number, keys, width])
            if (batch, heads, size) == (batches, number, width) =>
        {
            Ok([batch, heads, queries, keys])
        }
        (query, key) => {
            let expected = "queries [batch, heads, queries, size] and keys [batch, heads, keys, size]";
            Err(Error::op("attention", format!("expects {expected}, got {query:?} and {key:?}")))
        }
    }
}

/// `softmax(q·kᵀ/√size + bias)`, `[batch, heads, queries, keys]`: for those who want to see the weights, or drop some.
pub(super) fn attention_weights(query: &Tensor, key: &Tensor, mask: &AttentionMask, dropout: f64) -> Result<Tensor> {
    let shape = scores(query, key)?;
    let [.., queries, keys] = shape;
    let scale = 1.0 / (query.size(-1).max(1) as f64).sqrt();
    let mut scores = query.try_mul(scale)?.try_matmul(key.try_transpose(-2, -1)?)?;
    if let Some(bias) = &mask.bias {
        scores = scores.try_add(aligned(bias, shape, "bias")?)?;
    }
    if mask.causal {
        let later = (0..queries * keys).map(|i| i % keys > i / keys).collect();
        scores = scores.try_masked_fill(&Tensor::from_vec(later, [queries, keys]), f64::NEG_INFINITY)?;
    }
    let weights = match mask.hidden(shape)? {
        None => scores.try_softmax(-1)?,
        // Rows with nothing left stay open for the softmax, which has no value for them, and are emptied after it.
        Some(hidden) => {
            let scores = scores.try_masked_fill(&hidden, f64::NEG_INFINITY)?;
            let empty = scores.try_eq(f64::NEG_INFINITY)?.try_all_keepdim(-1)?;
            scores.try_masked_fill(&empty, 0)?.try_softmax(-1)?.try_masked_fill(&empty, 0)?
        }
    };
    if dropout > 0.0 { weights.try_dropout(dropout) } else { Ok(weights) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal_core::testing::assert_close;

    /// The fused op and the weights in sight agree under every kind of mask, also where a query sees nothing.
    #[test]
    fn both_ways_agree() {
        let draw = |shape: [usize; 4], phase: f64| {
            let values = (0..shape.iter().product()).map(|i| (1.7 * i as f64 + phase).sin()).collect::<Vec<f64>>();
            Tensor::from_vec(values, shape)
        };
        let (query, key, value) = (draw([2, 2, 3, 4], 0.0), draw([2, 2, 3, 4], 1.0), draw([2, 2, 3, 5], 2.0));
        let new = AttentionMask::new;
        let padding = Tensor::from([[true, false, false], [false, false, true]]);
        let blocked = Tensor::from([[false, true, false], [false, false, true], [true, true, true]]);
        let bias = draw([2, 2, 3, 3], 3.0);
        let masks = [
            new(),
            new().causal(),
            new().causal().padding(padding.clone()),
            new().blocked(blocked.clone()).padding(padding.clone()),
            new().bias(bias.clone()).causal(),
            new().bias(bias).blocked(blocked).padding(padding).causal(),
        ];
        for mask in masks {
            let found = attention(&query, &key, &value, &mask, 0.0);
            let weights = attention_weights(&query, &key, &mask, 0.0).unwrap();
            assert!(found.to_f64_vec().iter().all(|v| v.is_finite()), "{mask:?}");
            assert_close(&found, &weights.matmul(&value), 1e-12, &format!("{mask:?}"));
        }
    }
}
