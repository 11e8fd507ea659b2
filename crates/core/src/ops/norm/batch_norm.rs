//! `batch_norm`: each channel brought to mean 0 and variance 1 over the whole batch (Ioffe & Szegedy 2015).

use crate::op::{apply_all, require_one_float_type};
use crate::ops::prelude::*;
use hadal_kernels::batch_norm as kernel;

/// `x [n, c, l] (, weight [c] (, bias [c])) → y, mean [c], variance [c]`
#[derive(Debug, Clone, Copy)]
struct BatchNorm {
    eps: f64,
}

impl BatchNorm {
    /// `f` with what the kernels need to know of an input `[n, c, l]` and its parameters.
    fn with<T: Real, R>(
        &self,
        shape: &Shape,
        weight: Option<&Input>,
        bias: Option<&Input>,
        f: impl FnOnce(&kernel::BatchNorm<T>) -> R,
    ) -> R {
        let [samples, channels, length] = shape[..] else { unreachable!("three axes") };
        let (weight, bias) = (weight.map(|w| w.contiguous::<T>()), bias.map(|b| b.contiguous::<T>()));
        let (weight, bias) = (weight.as_deref(), bias.as_deref());
        f(&kernel::BatchNorm { samples, channels, length, eps: T::of(self.eps), weight, bias })
    }
}

impl Op for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        let channels = x[0].with_shape(x[0].shape[1]);
        Ok([x[0].clone(), channels.clone(), channels].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [y, mean, variance] = y else { unreachable!("three outputs") };
        dispatch!(reals x[0].dtype(), T => self.with::<T, _>(x[0].shape(), x.get(1), x.get(2), |norm| {
            kernel::batch_norm(norm, &x[0].contiguous(), y.slice(), mean.slice(), variance.slice())
        }));
    }

    fn reads(&self) -> Reads {
        Reads { inputs: !0, outputs: 0b110 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let mut inputs = vec![g.input(0), g.of(0), g.output(1), g.output(2)];
        inputs.extend((g.inputs() > 1).then(|| g.input(1)));
        let outputs = apply_all(BatchNormGrad(*self), &inputs.iter().collect::<Vec<_>>());
        outputs.unwrap_or_else(|e| e.raise()).into_iter().take(g.inputs()).map(Some).collect()
    }

    fn decompose(&self, x: &[Tensor]) -> Option<Vec<Tensor>> {
        let c = x[0].shape()[1];
        let centred = x[0].sub(x[0].mean_keepdim([0, 2]));
        let variance = centred.mul(&centred).mean_keepdim([0, 2]);
        let mut y = centred.mul(variance.add(self.eps).rsqrt());
        if let Some(weight) = x.get(1) {
            y = y.mul(weight.reshape([c, 1]));
        }
        if let Some(bias) = x.get(2) {
            y = y.add(bias.reshape([c, 1]));
        }
        Some(vec![y])
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed_all(|x| {
            let mean = x[0].mean_keepdim([0, 2]);
            let variance = x[0].sub(&mean).square().mean_keepdim([0, 2]);
            let y = self.decompose(x).expect("it has one").swap_remove(0);
            Ok(vec![y, mean.ravel(), variance.ravel()])
        })
    }
}

/// `x, g, mean, variance (, weight) → ∂x [n, c, l], ∂weight [c], ∂bias [c]`
#[derive(Debug)]
struct BatchNormGrad(BatchNorm);

impl Op for BatchNormGrad {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let channels = x[0].with_shape(x[0].shape[1]);
        Ok([x[0].clone(), channels.clone(), channels].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [dx, weight, bias] = y else { unreachable!("three outputs") };
        dispatch!(reals x[0].dtype(), T => {
            let [input, gradient, mean, variance] = [0, 1, 2, 3].map(|i| x[i].contiguous::<T>());
            let kept =
                kernel::BatchNormalized { x: &input, gradient: &gradient, mean: &mean, variance: &variance };
            let to = kernel::BatchNormGradients { x: dx.slice(), weight: weight.slice(), bias: bias.slice() };
            self.0.with(x[0].shape(), x.get(4), None, |norm| kernel::batch_norm_backward(norm, kept, to))
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a gradient that is differentiated again comes from `decompose`")
    }
}

/// `x [n, c, l], scale [c], offset [c] → x·scale + offset`
#[derive(Debug)]
struct ScaleChannels;

impl Rewrites for ScaleChannels {
    fn channel_affine(&self, constants: &[Option<Tensor>]) -> Option<(Tensor, Tensor)> {
        Some((constants[1].clone()?, constants[2].clone()?))
    }
}

impl Op for ScaleChannels {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [n, c, l] = x[0].shape()[..] else { unreachable!("three axes") };
        dispatch!(reals x[0].dtype(), T => {
            let [x, scale, offset] = [0, 1, 2].map(|i| x[i].contiguous::<T>());
            kernel::scale_channels([n, c, l], &x, &scale, &offset, y[0].slice())
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b11, outputs: 0 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let gradient = g.of(0);
        vec![
            g.when(0, || gradient.mul(g.input(1).reshape([g.meta(1).shape[0], 1]))),
            g.when(1, || gradient.mul(g.input(0)).sum([0, 2])),
            g.when(2, || gradient.sum([0, 2])),
        ]
    }

    /// As the normalization that scale and offset were made for, if they were, of the input as it was before its reshape.
    fn onnx(&self, x: &Writer) -> Result<Values> {
        let [n, c, _] = x.meta(0).shape[..] else { unreachable!("three axes") };
        let whole = x.before_reshape(x.input(0), |shape| shape.starts_with(&[n, c]));
        let y = match statistics(x) {
            Some(([weight, bias, mean, variance], eps)) => {
                x.node("BatchNormalization", &[whole, weight, bias, mean, variance], &[("epsilon", eps.into())])
            }
            None => {
                let rank = x.known(whole).map_or(3, |meta| meta.shape.rank());
                let mut channels = vec![1; rank - 1];
                channels[0] = c;
                let [scale, offset] = [1, 2].map(|i| x.reshape(x.input(i), &channels));
                x.node("Add", &[x.node("Mul", &[whole, scale], &[]), offset], &[])
            }
        };
        x.know(y, x.known(whole).unwrap_or(x.meta(0).clone()));
        Ok(vec![x.reshape(y, &x.meta(0).shape)])
    }
}

/// For ONNX: weight, bias, mean, variance and ε of the normalization that scale and offset of [`ScaleChannels`] were made
/// for by [`Tensor::batch_norm_eval`], if they were.
fn statistics(x: &Writer) -> Option<([Value; 4], f64)> {
    let channels = x.meta(1).shape.clone();
    let fill = |n: i64| x.constant(&Tensor::full_with(&channels, n, x.meta(1).dtype));
    let pair = |value: Value, operator: &str| x.made_by(value, operator).map(|inputs| (inputs[0], inputs[1]));
    let [scale, offset] = [1, 2].map(|i| x.input(i));
    let (root, weight) = match pair(scale, "Mul") {
        Some((root, weight)) => (root, Some(weight)),
        None => (scale, None),
    };
    let root = x.made_by(x.made_by(root, "Reciprocal")?[0], "Sqrt")?[0];
    let (variance, eps) = pair(root, "Add")?;
    let (shift, bias) = match pair(offset, "Add") {
        Some((shift, bias)) => (shift, Some(bias)),
        None => (offset, None),
    };
    let (mean, factor) = pair(x.made_by(shift, "Neg")?[0], "Mul")?;
    let eps = x.constant_of(eps).filter(|eps| eps.elements() == 1)?.to_f64_vec()[0];
    let (weight, bias) = (weight.unwrap_or_else(|| fill(1)), bias.unwrap_or_else(|| fill(0)));
    (factor == scale).then_some(([weight, bias, mean, variance], eps))
}

/// `[batch, channels, …]` as three axes, and the checks that both modes share.
fn checked(x: &Tensor, given: &[(&str, Option<&Tensor>)]) -> Result<[usize; 3]> {
    let fail = |message: String| Err(Error::op("batch_norm", message));
    let [n, c, ref rest @ ..] = x.shape()[..] else {
        return fail(format!("needs an input [batch, channels, …], got shape {}", x.shape()));
    };
    for (name, t) in given {
        if let Some(t) = t
            && *t.shape() != [c]
        {
            return fail(format!("needs a {name} of shape [{c}], got {} (input {})", t.shape(), x.shape()));
        }
    }
    Ok([n, c, rest.iter().product()])
}

#[fallible]
impl Tensor {
    /// For training: `[batch, channels, …]` with each channel brought to mean 0 and variance 1 over batch and
    /// positions, then `·weight + bias`; and the batch's mean and unbiased variance, both `[channels]`.
    ///
    /// A layer blends the latter two into its running statistics as PyTorch does:
    /// `running = (1 − momentum)·running + momentum·batch`, with momentum 0.1 by default.
    pub fn batch_norm_train(
        &self,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let [n, c, l] = checked(self, &[("weight", weight), ("bias", bias)])?;
        if n * l == 1 {
            let message = format!(
                "needs more than one value per channel to train on, got input {}; use a larger batch, or eval mode",
                self.shape()
            );
            return Err(Error::op("batch_norm", message));
        }
        let dtype = self.dtype();
        let wide = |t: &Tensor| if t.dtype() == dtype { t.try_to_dtype(dtype.compute()) } else { Ok(t.clone()) };
        let mut inputs = vec![wide(self)?.try_reshape([n, c, l])?];
        match (weight, bias) {
            (None, None) => {}
            (Some(weight), None) => inputs.push(wide(weight)?),
            (weight, Some(bias)) => {
                let bias = wide(bias)?;
                inputs.push(weight.map_or(Ok(bias.ones_like()), wide)?);
                inputs.push(bias);
            }
        }
        let outputs = apply_all(BatchNorm { eps }, &inputs.iter().collect::<Vec<_>>())?;
        let [y, mean, variance] = &outputs[..] else { unreachable!("three outputs") };
        let count = (n * l) as f64;
        let unbiased = variance.detach().try_mul(count / (count - 1.0))?;
        Ok((y.try_reshape(self.shape())?.try_to_dtype(dtype)?, mean.detach(), unbiased))
    }

    /// For evaluation: `(x − mean) / sqrt(variance + eps) · weight + bias` with the running statistics of each
    /// channel of `[batch, channels, …]`.
    pub fn batch_norm_eval(
        &self,
        mean: &Tensor,
        variance: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
        eps: f64,
    ) -> Result<Tensor> {
        let named = [("mean", Some(mean)), ("variance", Some(variance)), ("weight", weight), ("bias", bias)];
        let [n, c, l] = checked(self, &named)?;
        let dtype = self.dtype().compute();
        let mut scale = variance.try_to_dtype(dtype)?.try_add(eps)?.try_rsqrt()?;
        if let Some(weight) = weight {
            scale = scale.try_mul(weight.try_to_dtype(dtype)?)?;
        }
        let mut offset = mean.try_to_dtype(dtype)?.try_mul(&scale)?.try_neg()?;
        if let Some(bias) = bias {
            offset = offset.try_add(bias.try_to_dtype(dtype)?)?;
        }
        let x = self.try_to_dtype(dtype)?.try_reshape([n, c, l])?;
        apply(ScaleChannels, &[&x, &scale, &offset])?.try_reshape(self.shape())?.try_to_dtype(self.dtype())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("batch_norm", |a, x| {
        let (eps, momentum) = (a.float("eps"), a.float("momentum"));
        if a.torch().contains("None, None") {
            return vec![x[0].batch_norm_train(x.get(1), x.get(2), eps).0];
        }
        let (running_mean, running_variance) = (&x[1], &x[2]);
        if !a.flag("training") {
            let y = x[0].batch_norm_eval(running_mean, running_variance, x.get(3), x.get(4), eps);
            return vec![y, running_mean.clone(), running_variance.clone()];
        }
        let (y, mean, variance) = x[0].batch_norm_train(x.get(3), x.get(4), eps);
        let blend = |running: &Tensor, batch: &Tensor| running.mul(1.0 - momentum).add(batch.mul(momentum));
        vec![y, blend(running_mean, &mean), blend(running_variance, &variance)]
    })
}
