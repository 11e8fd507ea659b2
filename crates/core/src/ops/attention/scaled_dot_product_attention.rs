//! `scaled_dot_product_attention`: `softmax(Q·Kᵀ / √d)·V` (Vaswani et al. 2017), without the matrix of weights in memory.

use crate::op::{apply_all, require_one_float_type};
use crate::ops::prelude::*;
use crate::run::heads::{Places, Stack};
use hadal_kernels::attention::{self as kernels, Attended, AttentionElement, AttentionGradients, Mask, MaskValues};

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

/// `query […, q, d], key […, k, d], value […, k, e] (, mask […, q, k]) → result, logarithms of the softmax's sums […, q]`
///
/// The result lies as `[…, q, heads, e]`, the heads being the last of the axes before `q`: joining the heads, which
/// nearly always follows, is then a view.
#[derive(Debug, Clone, Copy)]
struct ScaledDotProductAttention {
    causal: bool,
    scale: f64,
}

/// The sizes of the work: what the inputs' first axes broadcast to, and those of the matrices.
struct Sizes {
    heads: Shape,
    queries: usize,
    keys: usize,
    width: usize,
    value_width: usize,
}

impl Sizes {
    /// Pairs of a query and a key that it may see, in all heads; masks are not looked at.
    fn pairs(&self, causal: bool) -> usize {
        let seen = |query: usize| if causal { self.keys.min(query + 1) } else { self.keys };
        self.heads.elements() * (0..self.queries).map(seen).sum::<usize>()
    }

    fn of(x: &[&Shape]) -> Result<Sizes> {
        let name = "scaled_dot_product_attention";
        let fail = |message: String| Err(Error::op(name, message));
        let ([q @ .., queries, d], [k @ .., keys, width]) = (&x[0][..], &x[1][..]) else {
            return fail(format!("needs matrices of queries and keys, got shapes {} and {}", x[0], x[1]));
        };
        let ([v @ .., rows, value_width], true) = (&x[2][..], d == width) else {
            return fail(Sizes::expected(x));
        };
        if rows != keys {
            return fail(Sizes::expected(x));
        }
        let mut heads = Shape::from(q).broadcast(&k.into(), name)?.broadcast(&v.into(), name)?;
        if let Some(mask) = x.get(3) {
            let (outer, matrix) = mask.split_at(mask.rank().saturating_sub(2));
            let scores = Shape::from([*queries, *keys]);
            if Shape::from(matrix).broadcast(&scores, name)? != scores {
                return fail(format!("needs a mask for {queries} queries and {keys} keys, got shape {mask}"));
            }
            heads = heads.broadcast(&outer.into(), name)?;
        }
        Ok(Sizes { heads, queries: *queries, keys: *keys, width: *d, value_width: *value_width })
    }

    fn expected(x: &[&Shape]) -> String {
        format!("needs queries […, q, d], keys […, k, d] and values […, k, e], got {}, {} and {}", x[0], x[1], x[2])
    }

    fn of_inputs(x: &[Input], mask: Option<&Input>) -> Sizes {
        let shapes: Vec<&Shape> = x[..3].iter().chain(mask).map(Input::shape).collect();
        Sizes::of(&shapes).expect("`infer` has checked the shapes")
    }

    /// `[…, rows, heads, columns]`
    fn joined(&self, rows: usize, columns: usize) -> Shape {
        let (outer, heads) = self.heads.split_at(self.heads.rank().saturating_sub(1));
        outer.iter().chain(&[rows]).chain(heads).chain(&[columns]).copied().collect()
    }

    /// Where the heads' matrices are in a tensor of the shape [`Sizes::joined`].
    fn places(&self, rows: usize, columns: usize) -> Places {
        Places::new(&split(&Layout::contiguous(self.joined(rows, columns))), &self.heads)
    }

    fn mask<'a, T: Element>(&self, mask: &Input<'a>) -> Stack<'a, T> {
        let stretched = self.heads.iter().copied().chain([self.queries, self.keys]).collect();
        Stack::spread(mask, &mask.layout().broadcast_to(&stretched), &self.heads)
    }
}

/// `[…, rows, heads, columns]` seen as `[…, heads, rows, columns]`, and back.
fn split(layout: &Layout) -> Layout {
    let mut order: Vec<usize> = (0..layout.shape.rank()).collect();
    if let [.., heads, rows, _] = &mut order[..] {
        std::mem::swap(heads, rows);
    }
    layout.permute(&order)
}

fn split_tensor(x: &Tensor) -> Tensor {
    if x.rank() < 3 { x.clone() } else { x.transpose(-3, -2) }
}

impl ScaledDotProductAttention {
    /// Calls `f` with what the kernels read.
    fn with_inputs<T: Real + AttentionElement>(
        &self,
        x: &[Input],
        mask: Option<&Input>,
        f: impl FnOnce(&Sizes, &kernels::Attention<T>),
    ) {
        let sizes = Sizes::of_inputs(x, mask);
        let [query, key, value] = [0, 1, 2].map(|i| Stack::<T>::new(&x[i], x[i].layout(), &sizes.heads));
        let seen = mask.filter(|m| m.dtype() == DType::Bool).map(|m| sizes.mask::<bool>(m));
        let added = mask.filter(|m| m.dtype() != DType::Bool).map(|m| sizes.mask::<T>(m));
        let seen = seen.as_ref().map(|seen| (MaskValues::Seen(seen.parts().0), seen.parts().1));
        let added = added.as_ref().map(|added| (MaskValues::Added(added.parts().0), added.parts().1));
        let mask = seen.or(added).map(|(values, places)| {
            let (offsets, row, column) = places.strides();
            Mask { values, offsets, row, column }
        });
        let inputs = kernels::Attention {
            query: query.heads(),
            key: key.heads(),
            value: value.heads(),
            queries: sizes.queries,
            keys: sizes.keys,
            width: sizes.width,
            value_width: sizes.value_width,
            scale: T::of(self.scale),
            causal: self.causal,
            mask,
        };
        f(&sizes, &inputs);
    }

    /// The composed formula.
    fn composed(&self, x: &[Tensor]) -> Result<Tensor> {
        let [query, key, value, mask @ ..] = x else { unreachable!("three inputs at least") };
        let mut scores = query.try_mul(self.scale)?.try_matmul(key.try_t()?)?;
        if self.causal {
            let (queries, keys) = (Tensor::arange(scores.size(-2)), Tensor::arange(scores.size(-1)));
            scores = hide(&scores, &queries.try_unsqueeze(-1)?.try_ge(&keys)?)?;
        }
        let Some(mask) = mask.first() else { return scores.try_softmax(-1)?.try_matmul(value) };
        scores = if mask.dtype() == DType::Bool { hide(&scores, mask)? } else { scores.try_add(mask)? };
        // The softmax of nothing but −∞ is NaN, and so would be its gradient.
        let blind = scores.try_eq(f64::NEG_INFINITY)?.try_all_keepdim(-1)?;
        let weights = blind.try_where_(0, &scores)?.try_softmax(-1)?;
        blind.try_where_(0, &weights)?.try_matmul(value)
    }
}

/// `scores`, −∞ where `seen` is false.
fn hide(scores: &Tensor, seen: &Tensor) -> Result<Tensor> {
    seen.try_where_(scores, f64::NEG_INFINITY)
}

impl Op for ScaledDotProductAttention {
    fn name(&self) -> &'static str {
        "scaled_dot_product_attention"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let sizes = Sizes::of(&x.iter().map(|x| &x.shape).collect::<Vec<_>>())?;
        require_one_float_type(self, &x[..3])?;
        let sums: Shape = sizes.heads.iter().copied().chain([sizes.queries]).collect();
        let result = x[0].with_shape(sizes.joined(sizes.queries, sizes.value_width));
        Ok([result, x[0].with_shape(sums)].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [result, log_sum] = y else { unreachable!("two outputs") };
        dispatch!(reals x[0].dtype(), T => self.with_inputs::<T>(x, x.get(3), |sizes, inputs| {
            let places = sizes.places(sizes.queries, sizes.value_width);
            kernels::attention(inputs, places.within(result.slice()), log_sum.slice());
        }));
    }

    fn flops(&self, x: &[Meta], _: &[Meta]) -> u64 {
        let sizes = Sizes::of(&x.iter().map(|x| &x.shape).collect::<Vec<_>>()).expect("`infer` has checked the shapes");
        2 * (sizes.pairs(self.causal) * (sizes.width + sizes.value_width)) as u64
    }

    fn reads(&self) -> Reads {
        Reads { inputs: !0, outputs: !0 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let op = AttentionGrad { forward: *self, mask: g.inputs() > 3 && g.wants(3) };
        let mut inputs: Vec<Tensor> = (0..3).map(|i| g.input(i)).collect();
        inputs.extend([g.output(0), g.output(1), g.of(0)]);
        inputs.extend((g.inputs() > 3).then(|| g.input(3)));
        let outputs = apply_all(op, &inputs.iter().collect::<Vec<_>>()).unwrap_or_else(|e| e.raise());
        let back = |i: usize| split_tensor(&outputs[i]).sum_to(&g.meta(i).shape);
        let mut gradients: Grads = (0..3).map(|i| g.when(i, || back(i))).collect();
        if g.inputs() > 3 {
            gradients.push(op.mask.then(|| outputs[3].sum_to(&g.meta(3).shape)));
        }
        gradients
    }

    fn decompose(&self, x: &[Tensor]) -> Option<Vec<Tensor>> {
        let result = self.composed(x).unwrap_or_else(|e| e.raise());
        Some(vec![split_tensor(&result)])
    }
}

/// `query, key, value, result, logarithms, ∂result (, mask) → ∂query, ∂key, ∂value (, ∂scores)`; the first three lie as
/// the result does.
#[derive(Debug, Clone, Copy)]
struct AttentionGrad {
    forward: ScaledDotProductAttention,
    /// Whether the gradient of an added mask is wanted.
    mask: bool,
}

impl Op for AttentionGrad {
    fn name(&self) -> &'static str {
        "scaled_dot_product_attention_grad"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let inputs: Vec<&Shape> = x[..3].iter().chain(x.get(6)).map(|x| &x.shape).collect();
        let sizes = Sizes::of(&inputs)?;
        let Sizes { queries, keys, width, value_width, .. } = sizes;
        let mut shapes = vec![sizes.joined(queries, width), sizes.joined(keys, width), sizes.joined(keys, value_width)];
        shapes.extend(self.mask.then(|| sizes.heads.iter().copied().chain([queries, keys]).collect()));
        Ok(shapes.into_iter().map(|shape| x[0].with_shape(shape)).collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [query, key, value, scores @ ..] = y else { unreachable!("three outputs at least") };
        dispatch!(reals x[0].dtype(), T => self.forward.with_inputs::<T>(x, x.get(6), |sizes, inputs| {
            let stack = |i: usize| Stack::<T>::new(&x[i], &split(x[i].layout()), &sizes.heads);
            let (result, gradient, log_sum) = (stack(3), stack(5), x[4].contiguous());
            let attended = Attended { out: result.heads(), log_sum: &log_sum, gradient: gradient.heads() };
            let places = [(sizes.queries, sizes.width), (sizes.keys, sizes.width), (sizes.keys, sizes.value_width)];
            let [by_query, by_key, by_value] = places.map(|(rows, columns)| sizes.places(rows, columns));
            let to = AttentionGradients {
                query: by_query.within(query.slice()),
                key: by_key.within(key.slice()),
                value: by_value.within(value.slice()),
                scores: scores.first_mut().map(Output::slice),
            };
            kernels::attention_backward(inputs, &attended, to);
        }));
    }

    /// The scores once more, and the gradients of weights, queries, keys and values.
    fn flops(&self, x: &[Meta], _: &[Meta]) -> u64 {
        let inputs: Vec<&Shape> = x[..3].iter().chain(x.get(6)).map(|x| &x.shape).collect();
        let sizes = Sizes::of(&inputs).expect("`infer` has checked the shapes");
        2 * (sizes.pairs(self.forward.causal) * (3 * sizes.width + 2 * sizes.value_width)) as u64
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a gradient that is differentiated again comes from `decompose`")
    }
}

#[fallible]
impl Tensor {
    /// For every query `[…, queries, d]` of this tensor, the mean of `value [..., keys, e]` weighted by the softmax of
    /// the query's products with `key [..., keys, d]`: `[…, queries, e]`.
    ///
    /// The weights are made block by block and never kept: memory grows with queries and keys, not with their product.
    /// Half-precision inputs are multiplied and summed in `f32`.
    ///
    /// ```
    /// # use hadal_core::{Attention, Tensor};
    /// let (query, key) = (Tensor::ones([2, 5, 8]), Tensor::ones([2, 7, 8]));
    /// let causal = Attention { causal: true, ..Attention::default() };
    /// assert_eq!(query.scaled_dot_product_attention(&key, &key, &causal).shape()[..], [2, 5, 8]);
    /// ```
    pub fn scaled_dot_product_attention(&self, key: &Tensor, value: &Tensor, attention: &Attention) -> Result<Tensor> {
        let (query, key) = self.floating()?.promoted(key)?;
        let (query, value) = query.promoted(value)?;
        let (dtype, wide) = (query.dtype(), query.dtype().compute());
        let mut inputs = vec![query.try_to_dtype(wide)?, key.try_to_dtype(wide)?, value.try_to_dtype(wide)?];
        inputs.extend(match &attention.mask {
            Some(mask) if mask.dtype() != DType::Bool => Some(mask.try_to_dtype(wide)?),
            mask => mask.clone(),
        });
        let width = query.shape().last().copied().unwrap_or(1);
        let scale = attention.scale.unwrap_or(1.0 / (width as f64).sqrt());
        let op = ScaledDotProductAttention { causal: attention.causal, scale };
        let result = apply_all(op, &inputs.iter().collect::<Vec<_>>())?.swap_remove(0);
        split_tensor(&result).try_to_dtype(dtype)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("scaled_dot_product_attention", |a, x| {
        let attention = Attention { mask: x.get(3).cloned(), causal: a.flag("is_causal"), scale: None };
        vec![x[0].scaled_dot_product_attention(&x[1], &x[2], &attention)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::assert_close;

    fn draw(shape: &[usize], phase: f64) -> Tensor {
        let values = (0..shape.iter().product()).map(|i| (1.7 * i as f64 + phase).sin()).collect::<Vec<f64>>();
        Tensor::from_vec(values, shape)
    }

    /// Results and all gradients are those of the composed formula, in blocks and across their borders.
    #[test]
    fn the_kernels_compute_the_composed_formula() {
        let (queries, keys) = (70, 130);
        let seen = draw(&[2, 1, queries, keys], 5.0).gt(-0.6).logical_and(draw(&[queries, 1], 0.1).gt(-0.9));
        let masks = [None, Some(seen), Some(draw(&[3, 1, keys], 6.0).mul(3)), Some(draw(&[queries, keys], 7.0))];
        for (mask, causal) in masks.iter().flat_map(|mask| [(mask, false), (mask, true)]) {
            let mask = mask.as_ref().map(Tensor::requires_grad);
            // Heads as a model has them: between the tokens and their features; one key for all heads.
            let query = draw(&[2, queries, 3, 8], 1.0).requires_grad();
            let (key, value) = (draw(&[2, 1, keys, 8], 2.0).requires_grad(), draw(&[3, 4, keys], 3.0).requires_grad());
            let leaves: Vec<Tensor> = [&query, &key, &value].into_iter().chain(&mask).cloned().collect();
            let seed = draw(&[2, 3, queries, 4], 4.0);
            let gradients = |y: &Tensor| {
                let gradients = y.backward_from(&seed);
                let of = |leaf: &Tensor| gradients.of(leaf).unwrap().clone();
                leaves.iter().filter(|leaf| leaf.has_grad()).map(of).collect::<Vec<_>>()
            };
            let views = || [query.transpose(1, 2), key.clone(), value.t()];
            let fused = Attention { mask: mask.clone(), causal, scale: Some(0.4) };
            let [q, k, v] = views();
            let fused = q.scaled_dot_product_attention(&k, &v, &fused);
            let op = ScaledDotProductAttention { causal, scale: 0.4 };
            let composed = op.composed(&views().into_iter().chain(mask.clone()).collect::<Vec<_>>()).unwrap();
            let what = format!("causal {causal}, mask {:?}", mask.as_ref().map(Tensor::meta));
            assert_close(&fused, &composed, 1e-13, &what);
            for (fused, composed) in gradients(&fused).iter().zip(&gradients(&composed)) {
                assert_close(fused, composed, 1e-12, &what);
            }
        }
    }

    #[test]
    fn half_precision_is_computed_in_f32() {
        let wide = [draw(&[2, 3, 4], 1.0), draw(&[2, 5, 4], 2.0), draw(&[2, 5, 4], 3.0)];
        let half = wide.each_ref().map(|t| t.to_dtype(DType::F16));
        let exact = half.each_ref().map(|t| t.to_dtype(DType::F32));
        let attend = |x: &[Tensor; 3]| x[0].scaled_dot_product_attention(&x[1], &x[2], &Attention::default());
        assert_eq!(attend(&half).to_f64_vec(), attend(&exact).to_dtype(DType::F16).to_f64_vec());
    }

    #[test]
    fn nothing_to_see_gives_zeros_and_no_elements_give_none() {
        let attend = |query: [usize; 3], key: [usize; 3], value: [usize; 3]| {
            let [query, key, value] = [query, key, value].map(|shape| Tensor::ones(shape).requires_grad());
            let y = query.scaled_dot_product_attention(&key, &value, &Attention::default());
            let gradients = y.sum(..).backward();
            assert!([query, key, value].iter().all(|x| gradients.of(x).unwrap().shape() == x.shape()));
            y
        };
        assert_eq!(attend([1, 2, 3], [1, 0, 3], [1, 0, 2]).to_vec::<f32>(), [0.0; 4]);
        assert_eq!(attend([1, 2, 0], [1, 3, 0], [1, 3, 1]).to_vec::<f32>(), [1.0; 2]);
        assert_eq!(attend([1, 0, 3], [1, 3, 3], [1, 3, 2]).shape()[..], [1, 0, 2]);
        assert_eq!(attend([0, 2, 3], [0, 3, 3], [0, 3, 2]).shape()[..], [0, 2, 2]);
        assert_eq!(attend([1, 2, 3], [1, 3, 3], [1, 3, 0]).shape()[..], [1, 2, 0]);
    }

    #[test]
    fn mistakes_are_explained() {
        let text = |x: [&Tensor; 3], mask: Option<Tensor>| {
            let attention = Attention { mask, ..Attention::default() };
            x[0].try_scaled_dot_product_attention(x[1], x[2], &attention).unwrap_err().to_string()
        };
        let (query, key) = (Tensor::zeros([2, 3, 4]), Tensor::zeros([2, 5, 4]));
        let (other, vector) = (Tensor::zeros([2, 6, 4]), Tensor::zeros(4));
        assert_eq!(
            text([&query, &key, &other], None),
            "scaled_dot_product_attention needs queries […, q, d], keys […, k, d] and values […, k, e], \
             got [2, 3, 4], [2, 5, 4] and [2, 6, 4]"
        );
        assert_eq!(
            text([&vector, &key, &key], None),
            "scaled_dot_product_attention needs matrices of queries and keys, got shapes [4] and [2, 5, 4]"
        );
        assert_eq!(
            text([&query, &key, &key], Some(Tensor::zeros([2, 3, 3]))),
            "scaled_dot_product_attention cannot broadcast [3, 3] with [3, 5]: aligned at the last axis, \
             sizes must be equal or 1"
        );
    }
}
