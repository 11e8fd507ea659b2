//! What language models have besides attention: angles of positions, gates, and states in place of caches.

use super::attention::{for_queries, heads_apart, heads_joined};
use super::prelude::*;
use hadal_core::Convolution;

pub(super) const OPERATORS: &[Operator] = &[
    op("CausalConvWithState", 27, With(causal_conv)),
    op("LinearAttention", 27, With(linear_attention)),
    op("RotaryEmbedding", 23, With(rotary_embedding)),
    op("SwiGLU", 28, With(swiglu)),
];

/// A state of products of keys and values, read by queries: one step after the other.
fn linear_attention(node: &Node) -> Result<Run> {
    let query_heads = node.required("q_num_heads", node.int("q_num_heads")?)?;
    let key_heads = node.required("kv_num_heads", node.int("kv_num_heads")?)?;
    let scale = Some(node.float_or("scale", 0.0)?).filter(|&s| s != 0.0);
    let rule = node.choice("update_rule", &["linear", "gated", "delta", "gated_delta"], "gated_delta")?;
    let (gated, corrected) = (rule == 1 || rule == 3, rule >= 2);
    run(move |x| {
        let wide = |i: usize, heads: i64| heads_apart(&x.tensor(i)?.try_to_dtype(DType::F32)?, Some(heads));
        let (query, key, value) = (wide(0, query_heads)?, wide(1, key_heads)?, wide(2, key_heads)?);
        let [batch, _, steps, width] = query.shape()[..] else { return invalid("three axes are needed") };
        let heads = key_heads as usize;
        let mut state = match x.optional(3)? {
            Some(state) => state.try_to_dtype(DType::F32)?,
            None => Tensor::zeros([batch, heads, width, value.size(3)]),
        };
        // Per key head, or per element of the key: `[batch, heads, steps, 1 or width]`.
        let decay = if gated { Some(wide(4, key_heads)?.try_exp()?) } else { None };
        let rate = match corrected {
            true if x.tensor(5)?.size(-1) == 1 => Some(wide(5, 1)?),
            true => Some(wide(5, key_heads)?),
            false => None,
        };
        let scale = scale.unwrap_or(1.0 / (width as f64).sqrt());
        let mut outputs = Vec::with_capacity(steps);
        for t in 0..steps {
            let at = |x: &Tensor| x.try_narrow(2, t, 1);
            let column = |x: &Tensor| at(x)?.try_transpose(2, 3);
            if let Some(decay) = &decay {
                state = state.try_mul(column(decay)?)?;
            }
            let mut row = at(&value)?;
            if let Some(rate) = &rate {
                row = row.try_sub(at(&key)?.try_matmul(&state)?)?.try_mul(at(rate)?)?;
            }
            state = state.try_add(column(&key)?.try_mul(&row)?)?;
            outputs.push(at(&query)?.try_matmul(&for_queries(&state, query.size(1))?)?.try_mul(scale)?);
        }
        let y = heads_joined(&Tensor::try_cat(&outputs, 2)?)?;
        let like = if x.has(3) { 3 } else { 0 };
        Ok(vec![Value::typed(&y, x.typed(0)?.1)?, Value::typed(&state, x.typed(like)?.1)?])
    })
}

/// Each channel by itself, over the present and the `k − 1` elements before it, which are carried along.
fn causal_conv(node: &Node) -> Result<Run> {
    let activation = node.choice("activation", &["none", "silu", "swish"], "none")?;
    run(move |x| {
        let ((input, element), weight) = (x.typed(0)?, x.tensor(1)?);
        let [batch, channels, length] = input.shape()[..] else { return invalid("three axes are needed") };
        let before = weight.size(-1).saturating_sub(1);
        let past = match x.optional(3)? {
            Some(past) => past.clone(),
            None => Tensor::zeros_with([batch, channels, before], input.dtype()),
        };
        let padded = Tensor::try_cat(&[&past, input], 2)?;
        let mut y = padded.try_conv1d(weight, x.optional(2)?, &Convolution::new().groups(channels))?;
        if activation > 0 {
            y = y.try_to_dtype(y.dtype().compute())?.try_silu()?;
        }
        let state = padded.try_narrow(2, length, before)?;
        Ok(vec![Value::typed(&y, element)?, Value::Tensor(state, element)])
    })
}

/// Turns pairs of features by angles that grow with the position; the pairs are neighbours (`interleaved`) or the two
/// halves.
fn rotary_embedding(node: &Node) -> Result<Run> {
    let (heads, interleaved) = (node.int_or("num_heads", 0)?, node.flag("interleaved")?);
    let part = node.int_or("rotary_embedding_dim", 0)?;
    run(move |x| {
        let input = x.tensor(0)?;
        let apart = heads_apart(input, Some(heads))?;
        let cache = |i: usize| match x.optional(3)? {
            // The row of each position, `[batch, 1, sequence, pairs]`.
            Some(positions) => {
                let rows = x.tensor(i)?.try_embedding(&positions.try_to_dtype(DType::I64)?)?;
                if rows.rank() == 3 { rows.try_unsqueeze(1) } else { Ok(rows) }
            }
            None => x.tensor(i)?.try_unsqueeze(1),
        };
        let y = rotate(&apart, &cache(1)?, &cache(2)?, part.max(0) as usize, interleaved)?;
        x.like(0, &if input.rank() == 3 { heads_joined(&y)? } else { y })
    })
}

/// The first `part` features of `[batch, heads, sequence, width]` turned (all, if 0); the others stay.
pub(super) fn rotate(x: &Tensor, cos: &Tensor, sin: &Tensor, part: usize, interleaved: bool) -> Result<Tensor> {
    let width = x.size(-1);
    let part = if part == 0 { width } else { part };
    if part > width || part % 2 != 0 {
        return invalid(format!("{part} of {width} features cannot be turned in pairs"));
    }
    let turned = x.try_narrow(-1, 0, part)?;
    let (first, second) = if interleaved {
        let pairs = turned.try_unflatten(-1, [part / 2, 2])?;
        (pairs.try_select(-1, 0)?, pairs.try_select(-1, 1)?)
    } else {
        (turned.try_narrow(-1, 0, part / 2)?, turned.try_narrow(-1, part / 2, part / 2)?)
    };
    let real = cos.try_mul(&first)?.try_sub(sin.try_mul(&second)?)?;
    let imaginary = sin.try_mul(&first)?.try_add(cos.try_mul(&second)?)?;
    let turned = match interleaved {
        true => Tensor::try_stack(&[real, imaginary], -1)?.try_flatten(-2, -1)?,
        false => Tensor::try_cat(&[real, imaginary], -1)?,
    };
    match part == width {
        true => Ok(turned),
        false => Tensor::try_cat(&[turned, x.try_narrow(-1, part, width - part)?], -1),
    }
}

fn swiglu(node: &Node) -> Result<Run> {
    let alpha = node.float_or("alpha", 1.0)?;
    run(move |x| {
        let gate = x.tensor(0)?;
        let gate = if alpha == 1.0 { gate.try_silu()? } else { gate.try_mul(gate.try_mul(alpha)?.try_sigmoid()?)? };
        x.like(0, &gate.try_mul(x.tensor(1)?)?)
    })
}
