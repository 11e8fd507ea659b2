//! `MultiheadAttention` (Vaswani et al., NIPS 2017, arXiv:1706.03762).

use super::Linear;
use super::attention::{AttentionMask, attention_weights, try_attention};
use crate::Layer;
use crate::init::{Initialiser, xavier_uniform, zeros};
use hadal_core::{Error, Mode, Module, Param, Result, Shape, Tag, Tensor};

/// Queries `[batch, queries, width]` attend to keys and values `[batch, keys, …]` in several heads:
/// `[batch, queries, width]`.
///
/// The keys are PyTorch's: `in_proj_weight`, `in_proj_bias`, `out_proj.weight`, `out_proj.bias`; where keys or values
/// have a width of their own, `q_proj_weight`, `k_proj_weight` and `v_proj_weight` in place of `in_proj_weight`.
/// Projections start Glorot uniform, biases as zeros.
///
/// As a [`Layer`] it is self-attention without a mask.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::{Layer, layers::{AttentionMask, MultiheadAttention}};
/// let attention = MultiheadAttention::new(16, 4);
/// let (x, memory) = (Tensor::ones([2, 5, 16]), Tensor::ones([2, 7, 16]));
/// assert_eq!(*attention.forward(&x).shape(), [2, 5, 16]);
/// assert_eq!(*attention.attend(&x, &memory, &memory, &AttentionMask::new()).shape(), [2, 5, 16]);
/// ```
#[derive(Debug, Module)]
pub struct MultiheadAttention {
    /// Queries, keys and values in one: `[3·width, width]`.
    pub in_proj_weight: Option<Param>,
    /// `[width, width]`, where keys or values have another width.
    pub q_proj_weight: Option<Param>,
    /// `[width, key width]`
    pub k_proj_weight: Option<Param>,
    /// `[width, value width]`
    pub v_proj_weight: Option<Param>,
    /// `[3·width]`
    pub in_proj_bias: Option<Param>,
    /// Joins the heads: `[width, width]`.
    pub out_proj: Linear,
    #[module(config)]
    widths: [usize; 3],
    heads: usize,
    #[module(config)]
    sequence_first: bool,
    dropout: f64,
    mode: Mode,
    tag: Tag,
}

impl MultiheadAttention {
    /// For sequences of `width` features, of which each of `heads` gets an equal share.
    #[track_caller]
    pub fn new(width: usize, heads: usize) -> MultiheadAttention {
        if heads == 0 || !width.is_multiple_of(heads) {
            let message = format!("cannot split {width} features among {heads} heads; choose a divisor of {width}");
            Error::op("MultiheadAttention", message).raise();
        }
        MultiheadAttention {
            in_proj_weight: Some(Param::new(xavier_uniform().draw(&Shape::from([3 * width, width])))),
            q_proj_weight: None,
            k_proj_weight: None,
            v_proj_weight: None,
            in_proj_bias: Some(Param::new(Tensor::zeros(3 * width))),
            out_proj: Linear::new(width, width).bias_init(zeros()),
            widths: [width; 3],
            heads,
            sequence_first: false,
            dropout: 0.0,
            mode: Mode::default(),
            tag: Tag::new("MultiheadAttention"),
        }
    }

    /// Keys have `key` features and values `value`, PyTorch's `kdim` and `vdim`. The weights are drawn anew.
    pub fn memory_widths(mut self, key: usize, value: usize) -> MultiheadAttention {
        let width = self.widths[0];
        let drawn = |inputs: usize| Some(Param::new(xavier_uniform().draw(&Shape::from([width, inputs]))));
        (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight) = (drawn(width), drawn(key), drawn(value));
        MultiheadAttention { in_proj_weight: None, widths: [width, key, value], ..self }
    }

    /// Without biases.
    pub fn without_bias(self) -> MultiheadAttention {
        MultiheadAttention { in_proj_bias: None, out_proj: self.out_proj.without_bias(), ..self }
    }

    /// Sequences are `[steps, batch, width]`, PyTorch's default (`batch_first=False`). Masks stay as they are.
    pub fn sequence_first(self) -> MultiheadAttention {
        MultiheadAttention { sequence_first: true, ..self }
    }

    /// In training, this share of the attention weights is dropped.
    #[track_caller]
    pub fn dropout(self, p: f64) -> MultiheadAttention {
        if !(0.0..=1.0).contains(&p) {
            Error::op("MultiheadAttention", format!("needs a probability between 0 and 1, got {p}")).raise();
        }
        MultiheadAttention { dropout: p, ..self }
    }

    /// What the queries find.
    #[track_caller]
    pub fn attend(&self, query: &Tensor, key: &Tensor, value: &Tensor, mask: &AttentionMask) -> Tensor {
        self.tag.call(query, || self.apply([query, key, value], mask))
    }

    /// What the queries find, and how much each looked at each key: `[batch, queries, keys]`, the mean of the heads.
    #[track_caller]
    pub fn attend_with_weights(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        mask: &AttentionMask,
    ) -> (Tensor, Tensor) {
        let mut mean = None;
        let output = self.tag.call(query, || {
            let [q, k, v] = self.heads([query, key, value])?;
            let weights = attention_weights(&q, &k, mask, self.dropped())?;
            mean = Some(weights.try_mean(1)?);
            self.joined(&weights.try_matmul(v)?, query)
        });
        (output, mean.expect("the call returned, so it ran to its end"))
    }

    fn apply(&self, inputs: [&Tensor; 3], mask: &AttentionMask) -> Result<Tensor> {
        let [query, key, value] = self.heads(inputs)?;
        self.joined(&try_attention(&query, &key, &value, mask, self.dropped())?, inputs[0])
    }

    /// The share of weights dropped now.
    fn dropped(&self) -> f64 {
        if self.mode.is_training() { self.dropout } else { 0.0 }
    }

    /// Queries, keys and values by head: `[batch, heads, steps, width / heads]`.
    fn heads(&self, inputs: [&Tensor; 3]) -> Result<[Tensor; 3]> {
        self.check(inputs)?;
        let [query, key, value] = self.projected(inputs)?;
        Ok([self.split(&query)?, self.split(&key)?, self.split(&value)?])
    }

    /// What the heads found, side by side in the queries' layout and mixed.
    fn joined(&self, found: &Tensor, query: &Tensor) -> Result<Tensor> {
        let order = if self.sequence_first { [2, 0, 1, 3] } else { [0, 2, 1, 3] };
        Ok(self.out_proj.forward(&found.try_permute(order)?.try_reshape(query.shape())?))
    }

    fn check(&self, inputs: [&Tensor; 3]) -> Result<()> {
        let (batch, steps) = if self.sequence_first { (1, 0) } else { (0, 1) };
        let [query, key, value] = inputs.map(Tensor::shape);
        let fits = inputs.iter().zip(self.widths).all(|(x, width)| x.rank() == 3 && x.shape()[2] == width);
        if fits && query[batch] == key[batch] && key[..2] == value[..2] && key[steps] > 0 {
            return Ok(());
        }
        let layout = |name: &str, width: usize| match self.sequence_first {
            true => format!("[{name}, batch, {width}]"),
            false => format!("[batch, {name}, {width}]"),
        };
        let [q, k, v] = self.widths;
        let expected = format!("{}, {} and {}", layout("queries", q), layout("keys", k), layout("keys", v));
        Err(Error::op("MultiheadAttention", format!("expects {expected}, got {query}, {key} and {value}")))
    }

    /// Queries, keys and values of the heads, side by side. What comes from one tensor is one product.
    fn projected(&self, [query, key, value]: [&Tensor; 3]) -> Result<[Tensor; 3]> {
        let width = self.widths[0];
        let bias = self.in_proj_bias.as_ref().map(Param::get);
        let Some(joint) = &self.in_proj_weight else {
            let bias = bias.map(|bias| bias.try_chunk(3, 0)).transpose()?;
            let project = |i: usize, x: &Tensor, weight: &Option<Param>| {
                let weight = weight.as_ref().expect("all three where there is no joint one").get();
                x.try_linear(&weight, bias.as_ref().map(|parts| &parts[i]))
            };
            return Ok([
                project(0, query, &self.q_proj_weight)?,
                project(1, key, &self.k_proj_weight)?,
                project(2, value, &self.v_proj_weight)?,
            ]);
        };
        let weight = joint.get();
        let rows = |from: usize, count: usize, x: &Tensor| -> Result<Vec<Tensor>> {
            let part = |t: &Tensor| t.try_narrow(0, from * width, count * width);
            let bias = bias.as_ref().map(part).transpose()?;
            x.try_linear(&part(&weight)?, bias.as_ref())?.try_chunk(count, -1)
        };
        let parts = match (std::ptr::eq(query, key), std::ptr::eq(key, value)) {
            (true, true) => rows(0, 3, query)?,
            (_, true) => [rows(0, 1, query)?, rows(1, 2, key)?].concat(),
            _ => [rows(0, 1, query)?, rows(1, 1, key)?, rows(2, 1, value)?].concat(),
        };
        Ok(parts.try_into().expect("three parts"))
    }

    /// `[batch, heads, steps, width / heads]`, a view.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let order = if self.sequence_first { [1, 2, 0, 3] } else { [0, 2, 1, 3] };
        let (first, second) = (x.shape()[0], x.shape()[1]);
        x.try_reshape([first, second, self.heads, self.widths[0] / self.heads])?.try_permute(order)
    }
}

impl Layer for MultiheadAttention {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.attend(x, x, x, &AttentionMask::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::recorded::compare_calls;
    use hadal_core::DType;
    use hadal_core::testing::Attributes;

    fn recorded(a: &Attributes) -> MultiheadAttention {
        let width = a.integer("embed_dim");
        let layer = MultiheadAttention::new(width as usize, a.integer("num_heads") as usize);
        let layer = match (a.integer_or("kdim", width), a.integer_or("vdim", width)) {
            (key, value) if (key, value) == (width, width) => layer,
            (key, value) => layer.memory_widths(key as usize, value as usize),
        };
        let layer = if a.flag("bias") { layer } else { layer.without_bias() };
        if a.flag("batch_first") { layer } else { layer.sequence_first() }
    }

    #[test]
    fn computes_what_pytorch_computes() {
        compare_calls("MultiheadAttention", recorded, |layer, x| {
            let (output, weights) = layer.attend_with_weights(&x[0], &x[1], &x[2], &AttentionMask::new());
            vec![output, weights]
        });
        let masked = |layer: &MultiheadAttention, x: &Tensor, mask: AttentionMask| {
            let (output, weights) = layer.attend_with_weights(x, x, x, &mask);
            vec![output, weights]
        };
        compare_calls("MultiheadAttention_causal", recorded, |layer, x| {
            masked(layer, &x[0], AttentionMask::new().causal().padding(x[1].clone()))
        });
        compare_calls("MultiheadAttention_masked", recorded, |layer, x| match x[1].dtype() {
            DType::Bool => masked(layer, &x[0], AttentionMask::new().blocked(x[1].clone())),
            _ => masked(layer, &x[0], AttentionMask::new().bias(x[1].clone())),
        });
    }

    #[test]
    fn a_query_with_nothing_to_look_at_gets_zeros() {
        let layer = MultiheadAttention::new(4, 2).without_bias();
        let x = Tensor::from([[[1.0f32, -2.0, 0.5, 3.0], [0.5, 1.0, -1.0, 2.0]]]).requires_grad();
        let mask = AttentionMask::new().causal().padding(Tensor::from([[true, false]]));
        let y = layer.attend(&x, &x, &x, &mask);
        assert_eq!(y.select(1, 0).to_vec::<f32>(), [0.0; 4]);
        let gradient = y.sum(..).backward().of(&x).unwrap().to_vec::<f32>();
        assert!(gradient.iter().all(|v| v.is_finite()), "{gradient:?}");
    }

    #[test]
    fn mistakes_are_explained() {
        let layer = MultiheadAttention::new(4, 2);
        let (x, memory) = (Tensor::zeros([2, 3, 4]), Tensor::zeros([1, 5, 4]));
        let text = |x: [&Tensor; 3], mask: &AttentionMask| layer.apply(x, mask).unwrap_err().to_string();
        assert_eq!(
            text([&x, &memory, &memory], &AttentionMask::new()),
            "MultiheadAttention expects [batch, queries, 4], [batch, keys, 4] and [batch, keys, 4], \
             got [2, 3, 4], [1, 5, 4] and [1, 5, 4]"
        );
        assert_eq!(
            text([&x, &x, &x], &AttentionMask::new().padding(Tensor::full([3, 2], false))),
            "attention expects padding [2, 3] (batch, keys), got [3, 2]"
        );
        assert_eq!(
            text([&x, &x, &x], &AttentionMask::new().blocked(Tensor::full([4, 4], false))),
            "attention expects blocked to fit scores [2, 2, 3, 3] (batch, heads, queries, keys), got [4, 4]"
        );
        assert_eq!(
            text([&x, &x, &x], &AttentionMask::new().blocked(Tensor::zeros([3, 3]))),
            "attention expects booleans for what is blocked, got f32; use bias for scores"
        );
    }
}
