//! `group_norm`: each sample's groups of channels brought to mean 0 and variance 1 (Wu & He 2018). Layer, instance and
//! root-mean-square norm are cases of it and run the same op.

use crate::op::{apply_all, require_one_float_type};
use crate::ops::prelude::*;
use hadal_kernels::norm::{
    NormElement, NormGradients, Normalization, Normalized, normalize_rows, normalize_rows_backward,
};

/// `x [n, c, l] (, weight [c] (, bias [c])) → y, mean [n, groups], reciprocal standard deviation [n, groups]`
#[derive(Debug, Clone, Copy)]
struct GroupNorm {
    name: &'static str,
    groups: usize,
    eps: f64,
    /// Whether the mean is subtracted; root-mean-square norm leaves it.
    centred: bool,
}

impl GroupNorm {
    /// What the kernels need to know; `affine` are the weight and the bias.
    fn norm<'a, T: Real + NormElement>(&self, x: &Shape, affine: [Option<&'a [T]>; 2]) -> Normalization<'a, T> {
        Normalization {
            samples: x[0],
            groups: self.groups,
            channels: x[1] / self.groups.max(1),
            length: x[2],
            eps: T::of(self.eps),
            centred: self.centred,
            weight: affine[0],
            bias: affine[1],
        }
    }
}

impl Op for GroupNorm {
    fn name(&self) -> &'static str {
        self.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        let statistics = x[0].with_shape([x[0].shape[0], self.groups]);
        Ok([x[0].clone(), statistics.clone(), statistics].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [y, mean, scale] = y else { unreachable!("three outputs") };
        dispatch!(reals x[0].dtype(), T => {
            let affine = [x.get(1), x.get(2)].map(|p| p.map(Input::contiguous::<T>));
            let norm = self.norm(x[0].shape(), affine.each_ref().map(Option::as_deref));
            normalize_rows(&norm, &x[0].contiguous(), y.slice(), mean.slice(), scale.slice());
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: !0, outputs: 0b110 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let mut inputs = vec![g.input(0), g.of(0), g.output(1), g.output(2)];
        inputs.extend((g.inputs() > 1).then(|| g.input(1)));
        let outputs = apply_all(GroupNormGrad(*self), &inputs.iter().collect::<Vec<_>>());
        outputs.unwrap_or_else(|e| e.raise()).into_iter().take(g.inputs()).map(Some).collect()
    }

    fn decompose(&self, x: &[Tensor]) -> Option<Vec<Tensor>> {
        let [n, c, l] = x[0].shape()[..] else { unreachable!("three axes") };
        let rows = x[0].reshape([n, self.groups, c / self.groups.max(1) * l]);
        let rows = if self.centred { rows.sub(rows.mean_keepdim(-1)) } else { rows };
        let variance = rows.mul(&rows).mean_keepdim(-1);
        let mut y = rows.mul(variance.add(self.eps).rsqrt()).reshape([n, c, l]);
        if let Some(weight) = x.get(1) {
            y = y.mul(weight.reshape([c, 1]));
        }
        if let Some(bias) = x.get(2) {
            y = y.add(bias.reshape([c, 1]));
        }
        Some(vec![y])
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let &GroupNorm { groups, eps, centred, .. } = self;
        let [n, c, l] = x.meta(0).shape[..] else { unreachable!("three axes") };
        let ones = |n: usize| x.constant(&Tensor::full_with(n, 1, x.meta(0).dtype));
        let zeros = |n: usize| x.constant(&Tensor::full_with(n, 0, x.meta(0).dtype));
        let (weight, bias) = (x.inputs().get(1).copied(), x.inputs().get(2).copied());
        let epsilon = ("epsilon", eps.into());
        if centred && groups == 1 && l == 1 {
            let rows = x.before_reshape(x.input(0), |shape| shape.last() == Some(&c) && shape.rank() > 1);
            let rows = if rows == x.input(0) { x.reshape(rows, &[n, c]) } else { rows };
            let inputs: Values = [rows, weight.unwrap_or_else(|| ones(c))].into_iter().chain(bias).collect();
            let y = x.node("LayerNormalization", &inputs, &[("axis", (-1i64).into()), epsilon]);
            x.know(y, x.known(rows).expect("the meta of a reshape is known"));
            return Ok(vec![x.reshape(y, &[n, c, l])]);
        }
        if !centred || n * c * l == 0 {
            return x.composed_all(|x| self.decompose(x).ok_or_else(|| unreachable!("it has one")));
        }
        if groups == c {
            let (weight, bias) = (weight.unwrap_or_else(|| ones(c)), bias.unwrap_or_else(|| zeros(c)));
            return Ok(vec![x.node("InstanceNormalization", &[x.input(0), weight, bias], &[epsilon])]);
        }
        let rows = x.reshape(x.input(0), &[n, groups, c / groups * l]);
        let mut y = x.node("InstanceNormalization", &[rows, ones(groups), zeros(groups)], &[epsilon]);
        y = x.reshape(y, &[n, c, l]);
        let by_channel = |value: Value| x.reshape(value, &[c, 1]);
        y = weight.map_or(y, |weight| x.node("Mul", &[y, by_channel(weight)], &[]));
        y = bias.map_or(y, |bias| x.node("Add", &[y, by_channel(bias)], &[]));
        Ok(vec![y])
    }
}

/// `x, g, mean, scale (, weight) → ∂x [n, c, l], ∂weight [c], ∂bias [c]`
#[derive(Debug)]
struct GroupNormGrad(GroupNorm);

impl Op for GroupNormGrad {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let channels = x[0].with_shape(x[0].shape[1]);
        Ok([x[0].clone(), channels.clone(), channels].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [dx, d_weight, d_bias] = y else { unreachable!("three outputs") };
        dispatch!(reals x[0].dtype(), T => {
            let weight = x.get(4).map(Input::contiguous::<T>);
            let norm = self.0.norm(x[0].shape(), [weight.as_deref(), None]);
            let [input, gradient, mean, scale] = [0, 1, 2, 3].map(|i| x[i].contiguous::<T>());
            let kept = Normalized { x: &input, gradient: &gradient, mean: &mean, scale: &scale };
            let to = NormGradients { x: dx.slice(), weight: d_weight.slice(), bias: d_bias.slice() };
            normalize_rows_backward(&norm, kept, to);
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a gradient that is differentiated again comes from `decompose`")
    }
}

/// Checks the affine part, casts to what kernels compute in, and runs the op over `x` as `[n, c, l]`.
pub(crate) fn normalize(
    name: &'static str,
    x: &Tensor,
    [n, c, l]: [usize; 3],
    groups: usize,
    affine: [Option<&Tensor>; 2],
    eps: f64,
) -> Result<Tensor> {
    run(GroupNorm { name, groups, eps, centred: true }, x, [n, c, l], affine)
}

/// As [`normalize`], without subtracting the mean: `x / sqrt(mean(x²) + eps)`.
pub(crate) fn scale_to_unit(
    name: &'static str,
    x: &Tensor,
    [n, c]: [usize; 2],
    weight: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    run(GroupNorm { name, groups: 1, eps, centred: false }, x, [n, c, 1], [weight, None])
}

fn run(op: GroupNorm, x: &Tensor, [n, c, l]: [usize; 3], affine: [Option<&Tensor>; 2]) -> Result<Tensor> {
    let dtype = x.dtype();
    for (what, t) in ["weight", "bias"].into_iter().zip(affine) {
        if let Some(t) = t
            && t.elements() != c
        {
            let message = format!("needs a {what} of {c} elements, got shape {} (input {})", t.shape(), x.shape());
            return Err(Error::op(op.name, message));
        }
    }
    let wide = |t: &Tensor| if t.dtype() == dtype { t.try_to_dtype(dtype.compute()) } else { Ok(t.clone()) };
    let rows = wide(x)?.try_reshape([n, c, l])?;
    let mut inputs = vec![rows];
    match affine {
        [None, None] => {}
        [Some(weight), None] => inputs.push(wide(weight)?.try_reshape(c)?),
        [weight, Some(bias)] => {
            let bias = wide(bias)?.try_reshape(c)?;
            inputs.push(weight.map_or(Ok(bias.ones_like()), |w| wide(w)?.try_reshape(c))?);
            inputs.push(bias);
        }
    }
    let y = apply_all(op, &inputs.iter().collect::<Vec<_>>())?.swap_remove(0);
    y.try_reshape(x.shape())?.try_to_dtype(dtype)
}

#[fallible]
impl Tensor {
    /// `[batch, channels, …]` with each group of channels of each sample brought to mean 0 and variance 1, then
    /// `·weight + bias` per channel (Wu & He 2018, "Group Normalization").
    pub fn group_norm(
        &self,
        groups: usize,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let [n, c, ref rest @ ..] = self.shape()[..] else {
            let message = format!("needs an input [batch, channels, …], got shape {}", self.shape());
            return Err(Error::op("group_norm", message));
        };
        if groups == 0 || c % groups != 0 {
            let message = format!("cannot split {c} channels into {groups} groups (input {})", self.shape());
            return Err(Error::op("group_norm", message));
        }
        normalize("group_norm", self, [n, c, rest.iter().product()], groups, [weight, bias], eps)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("group_norm", |a, x| {
        vec![x[0].group_norm(a.integer("num_groups") as usize, x.get(1), x.get(2), a.float("eps"))]
    })
}
