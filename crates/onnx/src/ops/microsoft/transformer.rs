//! Attention and embeddings as onnxruntime's fusions write them.

use crate::ops::attention::{Bias, Scores, Sight, for_queries, heads_apart, heads_joined, read, rotate};
use crate::ops::prelude::*;

pub(super) const OPERATORS: &[Operator] = &[
    op("Attention", 1, With(attention)),
    op("EmbedLayerNormalization", 1, With(embed_layer_norm)),
    op("GroupQueryAttention", 1, With(group_query_attention)),
    op("MultiHeadAttention", 1, With(multi_head_attention)),
    op("RotaryEmbedding", 1, With(rotary_embedding)),
];

/// What the attributes of all kinds of attention say.
struct Heads {
    count: i64,
    causal: bool,
    scale: Option<f64>,
}

impl Heads {
    fn of(node: &Node) -> Result<Heads> {
        let count = node.required("num_heads", node.int("num_heads")?)?;
        let scale = node.float("scale")?.filter(|&s| s != 0.0);
        Ok(Heads { count, causal: node.flag("unidirectional")?, scale })
    }

    /// The result with joined heads, for queries, keys and values `[batch, heads, sequence, width]`.
    fn read(&self, parts: [&Tensor; 3], past: usize, mask: Option<&Tensor>, added: Option<&Tensor>) -> Result<Tensor> {
        let [query, key, value] = parts;
        let (queries, keys) = (query.size(2), key.size(2));
        let sight = Sight { causal: self.causal, left: None, right: None };
        let allowed = sight.allowed(queries, keys, past, None)?;
        let allowed = match (allowed, mask) {
            (Some(allowed), Some(mask)) => Some(allowed.try_logical_and(mask)?),
            (allowed, mask) => allowed.or(mask.cloned()),
        };
        let scores = Scores { scale: self.scale, ..Scores::default() };
        heads_joined(&read(query, key, value, &Bias { allowed, added: added.cloned() }, &scores)?)
    }
}

/// A mask in any of its forms as truth values that broadcast to `[batch, heads, queries, keys]`: lengths `[batch]`, ends
/// and starts `[2·batch]`, or 1 for every key that counts, `[batch, keys]`, `[batch, queries, keys]` or with heads.
fn key_mask(mask: &Tensor, batch: usize, keys: usize) -> Result<Tensor> {
    let place = Tensor::arange(keys);
    let column = |t: &Tensor| t.try_to_dtype(DType::I64)?.try_reshape([batch, 1, 1, 1]);
    match mask.shape()[..] {
        [n] if n == batch => place.try_lt(column(mask)?),
        [n] if n == 2 * batch => {
            let (ends, starts) = (mask.try_narrow(0, 0, batch)?, mask.try_narrow(0, batch, batch)?);
            place.try_lt(column(&ends)?)?.try_logical_and(place.try_ge(column(&starts)?)?)
        }
        [n, k] => mask.try_ne(0)?.try_reshape([n, 1, 1, k]),
        [n, q, k] => mask.try_ne(0)?.try_reshape([n, 1, q, k]),
        [_, _, _, _] => mask.try_ne(0),
        _ => invalid(format!("a mask of shape {} is not supported", mask.shape())),
    }
}

/// One product gives queries, keys and values.
fn attention(node: &Node) -> Result<Run> {
    let heads = Heads::of(node)?;
    let sizes = node.ints("qkv_hidden_sizes")?.map(|s| sizes_of(&s)).transpose()?;
    if node.flag("do_rotary")? || node.flag("past_present_share_buffer")? {
        return invalid("rotary embeddings and shared buffers in the attention of com.microsoft are not supported");
    }
    run(move |x| {
        let (input, element) = x.typed(0)?;
        let mut all = input.try_matmul(x.tensor(1)?)?;
        if let Some(bias) = x.optional(2)? {
            all = all.try_add(bias)?;
        }
        let parts = match &sizes {
            Some(sizes) => all.try_split_sizes(sizes, -1)?,
            None => all.try_chunk(3, -1)?,
        };
        let [query, key, value] = &parts[..] else { return invalid("the weights do not hold three parts") };
        let query = heads_apart(query, Some(heads.count))?;
        let (mut key, mut value) = (heads_apart(key, Some(heads.count))?, heads_apart(value, Some(heads.count))?);
        let mut past = 0;
        if let Some(before) = x.optional(4)? {
            past = before.size(3);
            key = Tensor::try_cat(&[&before.try_select(0, 0)?, &key], 2)?;
            value = Tensor::try_cat(&[&before.try_select(0, 1)?, &value], 2)?;
        }
        let mask = x.optional(3)?.map(|m| key_mask(m, query.size(0), key.size(2))).transpose()?;
        let y = heads.read([&query, &key, &value], past, mask.as_ref(), x.optional(5)?)?;
        Ok(vec![Value::typed(&y, element)?, Tensor::try_stack(&[key, value], 0)?.into()])
    })
}

fn multi_head_attention(node: &Node) -> Result<Run> {
    let heads = Heads::of(node)?;
    run(move |x| {
        let (input, element) = x.typed(0)?;
        let count = Some(heads.count);
        let packed = |t: &Tensor, i: isize| t.try_select(3, i)?.try_permute([0, 2, 1, 3]);
        // [batch, sequence, heads, 3 or 2, width] when they come from one product
        let (query, key, value) = match (input.rank(), x.optional(1)?, x.optional(2)?) {
            (5, _, _) => (packed(input, 0)?, packed(input, 1)?, packed(input, 2)?),
            (_, Some(both), None) if both.rank() == 5 => {
                (heads_apart(input, count)?, packed(both, 0)?, packed(both, 1)?)
            }
            (_, Some(key), Some(value)) => {
                (heads_apart(input, count)?, heads_apart(key, count)?, heads_apart(value, count)?)
            }
            _ => return invalid("keys and values are missing"),
        };
        let (mut query, mut key, mut value) = (query, key, value);
        if let Some(bias) = x.optional(3)? {
            let sizes = [&query, &key, &value].map(|t| t.size(1) * t.size(3));
            let parts = bias.try_split_sizes(&sizes, 0)?;
            let add = |t: &Tensor, bias: &Tensor| t.try_add(bias.try_reshape([t.size(1), 1, t.size(3)])?);
            (query, key, value) = (add(&query, &parts[0])?, add(&key, &parts[1])?, add(&value, &parts[2])?);
        }
        let mut past = 0;
        if let (Some(past_key), Some(past_value)) = (x.optional(6)?, x.optional(7)?) {
            past = past_key.size(2);
            key = Tensor::try_cat(&[past_key, &key], 2)?;
            value = Tensor::try_cat(&[past_value, &value], 2)?;
        }
        let mask = x.optional(4)?.map(|m| key_mask(m, query.size(0), key.size(2))).transpose()?;
        let y = heads.read([&query, &key, &value], past, mask.as_ref(), x.optional(5)?)?;
        Ok(vec![Value::typed(&y, element)?, key.into(), value.into()])
    })
}

/// Causal attention with a cache, whose keys and values are shared by neighbouring queries; all sequences of a batch
/// must be equally long.
fn group_query_attention(node: &Node) -> Result<Run> {
    let (count, key_count) = (
        node.required("num_heads", node.int("num_heads")?)?,
        node.required("kv_num_heads", node.int("kv_num_heads")?)?,
    );
    let (turned, interleaved) = (node.flag("do_rotary")?, node.flag("rotary_interleaved")?);
    let window = Some(node.int_or("local_window_size", -1)?).filter(|&w| w > 0);
    let scores = Scores {
        scale: node.float("scale")?.filter(|&s| s != 0.0),
        softcap: node.float_or("softcap", 0.0)?,
        ..Scores::default()
    };
    if node.int_or("smooth_softmax", 0)? > 0 || node.int_or("causal", 1)? == 0 {
        return invalid("smooth softmax and attention that is not causal are not supported here");
    }
    run(move |x| {
        if let Some(i) = (10..x.len()).find(|&i| i != 10 && x.has(i)) {
            return invalid(format!("input {i} (sinks, scales or norms) is not supported"));
        }
        let (input, element) = x.typed(0)?;
        let (query, key, value) = match (x.optional(1)?, x.optional(2)?) {
            (Some(key), Some(value)) => (input.clone(), key.clone(), value.clone()),
            _ => {
                let width = input.size(-1) / (count + 2 * key_count).max(1) as usize;
                let sizes = [count, key_count, key_count].map(|n| n.max(0) as usize * width);
                let parts = input.try_split_sizes(&sizes, -1)?;
                (parts[0].clone(), parts[1].clone(), parts[2].clone())
            }
        };
        let mut query = heads_apart(&query, Some(count))?;
        let (mut key, mut value) = (heads_apart(&key, Some(key_count))?, heads_apart(&value, Some(key_count))?);
        let (steps, total) = (query.size(2), x.int(6)?);
        let Some(past) = usize::try_from(total).ok().and_then(|t| t.checked_sub(steps)) else {
            return invalid(format!("{total} keys in all are fewer than {steps} queries"));
        };
        if x.ints(5)?.iter().any(|&last| last + 1 != total) {
            return invalid("sequences of different lengths in one batch are not supported");
        }
        if turned {
            let rows = match x.optional(9)? {
                Some(positions) => positions.try_to_dtype(DType::I64)?,
                None => Tensor::arange(steps).try_add(past)?.try_unsqueeze(0)?,
            };
            let cache = |i: usize| x.tensor(i)?.try_embedding(&rows)?.try_unsqueeze(1);
            let (cos, sin) = (cache(7)?, cache(8)?);
            let part = 2 * cos.size(-1);
            query = rotate(&query, &cos, &sin, part, interleaved)?;
            key = rotate(&key, &cos, &sin, part, interleaved)?;
        }
        if let (Some(past_key), Some(past_value)) = (x.optional(3)?, x.optional(4)?) {
            let before = |t: &Tensor| t.try_narrow(2, 0, past);
            key = Tensor::try_cat(&[before(past_key)?, key], 2)?;
            value = Tensor::try_cat(&[before(past_value)?, value], 2)?;
        }
        let present = [key.clone(), value.clone()];
        let heads = query.size(1);
        let (key, value) = (for_queries(&key, heads)?, for_queries(&value, heads)?);
        // The window counts the query's own position.
        let sight = Sight { causal: true, left: window.map(|w| w - 1), right: None };
        let allowed = sight.allowed(steps, key.size(2), past, None)?;
        let bias = Bias { allowed, added: x.optional(10)?.cloned() };
        let y = heads_joined(&read(&query, &key, &value, &bias, &scores)?)?;
        let [key, value] = present;
        Ok(vec![Value::typed(&y, element)?, key.into(), value.into()])
    })
}

/// As the standard operator, but positions come before the caches, and may be the first one alone.
fn rotary_embedding(node: &Node) -> Result<Run> {
    let (heads, interleaved) = (node.int_or("num_heads", 0)?, node.flag("interleaved")?);
    let part = node.int_or("rotary_embedding_dim", 0)?.max(0) as usize;
    run(move |x| {
        let input = x.tensor(0)?;
        let cos = x.tensor(2)?;
        let width = if part > 0 { part } else { 2 * cos.size(-1) };
        let heads = match heads {
            0 if input.rank() == 3 => (input.size(-1) / width.max(1)) as i64,
            heads => heads,
        };
        let apart = heads_apart(input, Some(heads))?;
        let mut positions = x.tensor(1)?.try_to_dtype(DType::I64)?;
        if positions.rank() == 1 {
            positions = positions.try_add(Tensor::arange(apart.size(2)))?.try_unsqueeze(0)?;
        }
        let cache = |i: usize| x.tensor(i)?.try_embedding(&positions)?.try_unsqueeze(1);
        let y = rotate(&apart, &cache(2)?, &cache(3)?, width, interleaved)?;
        x.like(0, &if input.rank() == 3 { heads_joined(&y)? } else { y })
    })
}

/// Word, position and segment embeddings, added and normalized; also the length of each sequence by its mask.
fn embed_layer_norm(node: &Node) -> Result<Run> {
    let eps = node.float_or("epsilon", 1e-12)?;
    run(move |x| {
        let words = x.tensor(0)?.try_to_dtype(DType::I64)?;
        let [batch, steps] = words.shape()[..] else { return invalid("word numbers [batch, sequence] are needed") };
        let positions = match x.optional(8)? {
            Some(positions) => positions.try_to_dtype(DType::I64)?,
            None => Tensor::arange(steps).try_unsqueeze(0)?,
        };
        let mut sum = x.tensor(2)?.try_embedding(&words)?.try_add(x.tensor(3)?.try_embedding(&positions)?)?;
        if let (Some(segments), Some(table)) = (x.optional(1)?, x.optional(4)?) {
            sum = sum.try_add(table.try_embedding(&segments.try_to_dtype(DType::I64)?)?)?;
        }
        let width = sum.size(-1);
        let y = sum.try_layer_norm(width, Some(x.tensor(5)?), Some(x.tensor(6)?), eps)?;
        let lengths = match x.optional(7)? {
            Some(mask) => mask.try_sum(1)?.try_to_dtype(DType::I32)?,
            None => Tensor::zeros_with(batch, DType::I32),
        };
        Ok(vec![y.into(), lengths.into(), sum.into()])
    })
}
