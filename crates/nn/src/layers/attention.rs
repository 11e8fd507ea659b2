//! Scaled dot-product attention (Vaswani et al., NIPS 2017, arXiv:1706.03762), and what may attend to what.

use hadal_core::{DType, Error, Result, Tensor};

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

    /// Whether some query may have nothing left to attend to. Under the causal rule alone each has key 0.
    fn may_leave_nothing(&self) -> bool {
        self.blocked.is_some() || self.padding.is_some()
    }

    /// Everything blocked in one, for scores `[batch, heads, queries, keys]`.
    fn all_blocked(&self, scores: [usize; 4]) -> Result<Option<Tensor>> {
        let [batch, _, queries, keys] = scores;
        let mut parts = Vec::with_capacity(3);
        if self.causal {
            let later = (0..queries * keys).map(|i| i % keys > i / keys).collect();
            parts.push(Tensor::from_vec(later, [queries, keys]));
        }
        if let Some(blocked) = &self.blocked {
            parts.push(aligned(blocked, scores, "blocked")?);
        }
        if let Some(padding) = &self.padding {
            if *padding.shape() != [batch, keys] {
                let message = format!("expects padding [{batch}, {keys}] (batch, keys), got {}", padding.shape());
                return Err(Error::op("attention", message));
            }
            parts.push(padding.try_reshape([batch, 1, 1, keys])?);
        }
        if let Some(other) = parts.iter().find(|part| part.dtype() != DType::Bool) {
            let message = format!("expects booleans for what is blocked, got {}; use bias for scores", other.dtype());
            return Err(Error::op("attention", message));
        }
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else { return Ok(None) };
        parts.try_fold(first, |all, part| all.try_logical_or(part)).map(Some)
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
    try_attention(query, key, value, mask, dropout).unwrap_or_else(|error| error.raise())
}

/// Fallible twin of [`attention`]: returns the error instead of panicking.
pub fn try_attention(
    query: &Tensor,
    key: &Tensor,
    value: &Tensor,
    mask: &AttentionMask,
    dropout: f64,
) -> Result<Tensor> {
    attention_weights(query, key, mask, dropout)?.try_matmul(value)
}

/// `softmax(q·kᵀ/√size + bias)`, `[batch, heads, queries, keys]`.
pub(super) fn attention_weights(query: &Tensor, key: &Tensor, mask: &AttentionMask, dropout: f64) -> Result<Tensor> {
    if query.rank() != 4 || key.rank() != 4 {
        let message = format!(
            "expects queries [batch, heads, queries, size] and keys [batch, heads, keys, size], got {} and {}",
            query.shape(),
            key.shape()
        );
        return Err(Error::op("attention", message));
    }
    let scale = 1.0 / (query.size(-1).max(1) as f64).sqrt();
    let mut scores = query.try_mul(scale)?.try_matmul(key.try_transpose(-2, -1)?)?;
    let [batch, heads, queries, keys] = scores.shape()[..] else { unreachable!("checked above") };
    let shape = [batch, heads, queries, keys];
    if let Some(bias) = &mask.bias {
        scores = scores.try_add(aligned(bias, shape, "bias")?)?;
    }
    let weights = match mask.all_blocked(shape)? {
        None => scores.try_softmax(-1)?,
        // Rows with nothing left stay open for the softmax, which has no value for them, and are emptied after it.
        Some(blocked) if mask.may_leave_nothing() => {
            let empty = blocked.try_all_keepdim(-1)?;
            let open = blocked.try_logical_and(empty.try_logical_not()?)?;
            scores.try_masked_fill(&open, f64::NEG_INFINITY)?.try_softmax(-1)?.try_masked_fill(&empty, 0)?
        }
        Some(blocked) => scores.try_masked_fill(&blocked, f64::NEG_INFINITY)?.try_softmax(-1)?,
    };
    if dropout > 0.0 { weights.try_dropout(dropout) } else { Ok(weights) }
}
