//! Reading by relevance, and what language models put around it.

use super::cast::element_attribute;
use super::prelude::*;
use crate::graph::Body;
use hadal_core::{Attention, Border, Convolution};

pub(super) const OPERATORS: &[Operator] = &[
    op("Attention", 23, With(attention)),
    op("CausalConvWithState", 27, With(causal_conv)),
    op("LinearAttention", 27, With(linear_attention)),
    op("RotaryEmbedding", 23, With(rotary_embedding)),
    op("SwiGLU", 28, With(swiglu)),
];

/// Operators that are still being tried out: domain `ai.onnx.preview`.
pub(super) const PREVIEW: &[Operator] = &[op("FlexAttention", 1, With(flex_attention))];

/// `[batch, sequence, heads · width]` as `[batch, heads, sequence, width]`; four axes stay as they are.
pub(super) fn heads_apart(x: &Tensor, heads: Option<i64>) -> Result<Tensor> {
    let [batch, sequence, hidden] = x.shape()[..] else {
        return if x.rank() == 4 {
            Ok(x.clone())
        } else {
            invalid(format!("three or four axes are needed, got {}", x.shape()))
        };
    };
    match heads.and_then(|h| usize::try_from(h).ok()) {
        Some(heads) if heads > 0 && hidden % heads == 0 => {
            x.try_reshape([batch, sequence, heads, hidden / heads])?.try_permute([0, 2, 1, 3])
        }
        _ => invalid(format!("{hidden} features do not split into {heads:?} heads")),
    }
}

/// The opposite: heads side by side.
pub(super) fn heads_joined(x: &Tensor) -> Result<Tensor> {
    let [batch, heads, sequence, width] = x.shape()[..] else { return invalid("four axes are needed") };
    x.try_permute([0, 2, 1, 3])?.try_reshape([batch, sequence, heads * width])
}

/// Keys or values for each of `heads` query heads: every one is shared by neighbouring queries.
pub(super) fn for_queries(x: &Tensor, heads: usize) -> Result<Tensor> {
    match x.size(1) {
        own if own == heads => Ok(x.clone()),
        own if own > 0 && heads.is_multiple_of(own) => x.try_repeat_interleave(heads / own, 1),
        own => invalid(format!("{heads} query heads cannot share {own} key heads")),
    }
}

/// The attributes that say which keys a query sees.
#[derive(Clone, Copy)]
pub(super) struct Sight {
    pub causal: bool,
    /// How many keys before, and after, the query's own position.
    pub left: Option<i64>,
    pub right: Option<i64>,
}

/// What is added to scores, or which of them count.
pub(super) struct Bias {
    /// Broadcasts to `[batch, heads, queries, keys]`: false hides a key.
    pub allowed: Option<Tensor>,
    pub added: Option<Tensor>,
}

impl Sight {
    fn of(node: &Node) -> Result<Sight> {
        let bound = |name: &str| Ok::<_, Error>(Some(node.int_or(name, -1)?).filter(|&n| n >= 0));
        Ok(Sight {
            causal: node.flag("is_causal")?,
            left: bound("left_window_size")?,
            right: bound("right_window_size")?,
        })
    }

    /// Which of `keys` the queries see. `past` keys stand before the first query; with lengths of the sequences
    /// `[batch]`, the queries are the last of each, and keys behind the length are hidden.
    pub fn allowed(self, queries: usize, keys: usize, past: usize, lengths: Option<&Tensor>) -> Result<Option<Tensor>> {
        let key = Tensor::arange(keys);
        let lengths = lengths.map(|l| l.try_to_dtype(DType::I64)?.try_reshape([l.elements(), 1, 1, 1])).transpose()?;
        let mut allowed: Option<Tensor> = None;
        let mut require = |condition: Tensor| {
            allowed = Some(match &allowed {
                Some(before) => before.try_logical_and(&condition)?,
                None => condition,
            });
            Ok::<_, Error>(())
        };
        if self.causal || self.left.is_some() || self.right.is_some() {
            let query = Tensor::arange(queries).try_unsqueeze(1)?;
            let place = match &lengths {
                Some(lengths) => lengths.try_sub(queries as i64)?.try_add(&query)?,
                None => query.try_add(past)?,
            };
            if self.causal {
                require(key.try_le(&place)?)?;
            }
            if let Some(left) = self.left {
                require(key.try_ge(place.try_sub(left)?)?)?;
            }
            if let Some(right) = self.right {
                require(key.try_le(place.try_add(right)?)?)?;
            }
        }
        if let Some(lengths) = &lengths {
            require(key.try_lt(lengths)?)?;
        }
        Ok(allowed)
    }
}

impl Bias {
    /// With the mask that a model gives, of truth values or numbers, which may be shorter than the keys.
    fn with_mask(allowed: Option<Tensor>, mask: Option<&Tensor>, keys: usize) -> Result<Bias> {
        let Some(mask) = mask else { return Ok(Bias { allowed, added: None }) };
        let missing = keys as isize - mask.size(-1) as isize;
        let float = mask.dtype().is_float();
        let hidden = if float { Scalar::Float(f64::NEG_INFINITY) } else { Scalar::Bool(false) };
        let mask = if missing > 0 && mask.size(-1) > 1 {
            mask.try_pad([(0, missing)], Border::Constant(hidden))?
        } else {
            mask.clone()
        };
        if float {
            return Ok(Bias { allowed, added: Some(mask) });
        }
        let allowed = match allowed {
            Some(allowed) => allowed.try_logical_and(&mask)?,
            None => mask,
        };
        Ok(Bias { allowed: Some(allowed), added: None })
    }

    /// Both as numbers to add.
    fn numbers(&self, dtype: DType) -> Result<Option<Tensor>> {
        let hidden = f64::NEG_INFINITY;
        Ok(match (&self.allowed, &self.added) {
            (Some(allowed), Some(added)) => Some(allowed.try_where_(&added.try_to_dtype(dtype)?, hidden)?),
            (Some(allowed), None) => Some(allowed.try_where_(Tensor::zeros_with((), dtype), hidden)?),
            (None, Some(added)) => Some(added.try_to_dtype(dtype)?),
            (None, None) => None,
        })
    }
}

/// How scores become weights.
#[derive(Default)]
pub(super) struct Scores {
    pub scale: Option<f64>,
    pub softcap: f64,
    pub precision: Option<DType>,
    /// Which scores are an output: raw, capped, with bias, or the weights.
    pub shown: usize,
}

fn attention(node: &Node) -> Result<Run> {
    let (query_heads, key_heads) = (node.int("q_num_heads")?, node.int("kv_num_heads")?);
    let sight = Sight::of(node)?;
    let scores = Scores {
        scale: node.float("scale")?,
        softcap: node.float_or("softcap", 0.0)?,
        precision: element_attribute(node, "softmax_precision")?.and_then(ElementType::storage),
        shown: node.int_or("qk_matmul_output_mode", 0)?.clamp(0, 3) as usize,
    };
    let shows = node.wants(3);
    run(move |x| {
        let (input, element) = x.typed(0)?;
        let query = heads_apart(input, query_heads)?;
        let (mut key, mut value) = (heads_apart(x.tensor(1)?, key_heads)?, heads_apart(x.tensor(2)?, key_heads)?);
        let mut past = 0;
        if let (Some(past_key), Some(past_value)) = (x.optional(4)?, x.optional(5)?) {
            past = past_key.size(2);
            key = Tensor::try_cat(&[past_key, &key], 2)?;
            value = Tensor::try_cat(&[past_value, &value], 2)?;
        }
        let present = [key.clone(), value.clone()];
        let heads = query.size(1);
        (key, value) = (for_queries(&key, heads)?, for_queries(&value, heads)?);
        let allowed = sight.allowed(query.size(2), key.size(2), past, x.optional(6)?)?;
        let bias = Bias::with_mask(allowed, x.optional(3)?, key.size(2))?;
        let (y, shown) = match shows {
            true => weighted(&query, &key, &value, &bias, &scores).map(|(y, shown)| (y, Some(shown)))?,
            false => (read(&query, &key, &value, &bias, &scores)?, None),
        };
        let y = if input.rank() == 3 { heads_joined(&y)? } else { y };
        let [key, value] = present;
        let mut outputs = vec![Value::typed(&y, element)?, key.into(), value.into()];
        outputs.extend(shown.map(Value::from));
        Ok(outputs)
    })
}

/// The result, without scores in memory where that is possible.
pub(super) fn read(query: &Tensor, key: &Tensor, value: &Tensor, bias: &Bias, how: &Scores) -> Result<Tensor> {
    if how.softcap != 0.0 {
        return Ok(weighted(query, key, value, bias, how)?.0);
    }
    let mask = if bias.added.is_some() { bias.numbers(query.dtype())? } else { bias.allowed.clone() };
    query.try_scaled_dot_product_attention(key, value, &Attention { mask, causal: false, scale: how.scale })
}

/// The result step by step, with the scores in memory, and those that are to be shown.
fn weighted(query: &Tensor, key: &Tensor, value: &Tensor, bias: &Bias, how: &Scores) -> Result<(Tensor, Tensor)> {
    let dtype = query.dtype();
    let scale = how.scale.unwrap_or(1.0 / (query.size(3) as f64).sqrt()).sqrt();
    let raw = query.try_mul(scale)?.try_matmul(&key.try_mul(scale)?.try_transpose(2, 3)?)?;
    let capped = match how.softcap {
        cap if cap > 0.0 => raw.try_div(cap)?.try_tanh()?.try_mul(cap)?,
        _ => raw.clone(),
    };
    let added = bias.numbers(dtype)?;
    let biased = match &added {
        Some(added) => capped.try_add(added)?,
        None => capped.clone(),
    };
    let mut weights = biased.try_to_dtype(how.precision.unwrap_or(dtype))?.try_softmax(-1)?;
    // A query that sees nothing has no weights, whatever its scores are.
    if let Some(added) = &added {
        let blind = added.try_amax_keepdim(-1)?.try_isneginf()?;
        weights = blind.try_where_(weights.zeros_like(), &weights)?;
    }
    let weights = weights.try_to_dtype(dtype)?;
    let shown = [raw, capped, biased, weights.clone()][how.shown].clone();
    Ok((weights.try_matmul(value)?, shown))
}

/// `score_mod` and `prob_mod` are subgraphs that change the scores and the weights.
fn flex_attention(node: &Node) -> Result<Run> {
    let body = |name: &str| node.bodies.iter().find(|b| b.0 == name).map(|b| b.1.clone());
    let (score_body, weight_body) = (body("score_mod"), body("prob_mod"));
    let (scale, precision) = (node.float("scale")?, element_attribute(node, "softmax_precision")?);
    run(move |x| {
        let (query, element) = x.typed(0)?;
        let [_, heads, _, width] = query.shape()[..] else { return invalid("four axes are needed") };
        let (key, value) = (for_queries(x.tensor(1)?, heads)?, for_queries(x.tensor(2)?, heads)?);
        let wide = if element == ElementType::F64 { ElementType::F64 } else { ElementType::F32 };
        let precision = precision.and_then(ElementType::storage).or(wide.storage()).unwrap_or(DType::F32);
        let scale = scale.unwrap_or(1.0 / (width as f64).sqrt());
        let scores = query.try_to_dtype(precision)?.try_matmul(&key.try_to_dtype(precision)?.try_transpose(2, 3)?)?;
        let change = |body: &Option<Body>, scores: Tensor| match body {
            Some(body) => match body.run(vec![scores.into()], x)?.into_iter().next() {
                Some(Value::Tensor(changed, _)) => Ok(changed),
                _ => invalid("a modifier must return a tensor"),
            },
            None => Ok(scores),
        };
        let weights = change(&score_body, scores.try_mul(scale)?)?.try_softmax(-1)?;
        let y = change(&weight_body, weights)?.try_matmul(&value.try_to_dtype(precision)?)?;
        x.like(0, &y)
    })
}

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
