//! `group_norm`: each sample's groups of channels brought to mean 0 and variance 1 (Wu & He 2018). Layer, instance and
//! root-mean-square norm are cases of it and run the same op.

use crate::op::{apply_all, require_one_float_type};
use crate::ops::prelude::*;
use crate::run::sums::two_sums;
use hadal_kernels::threads::for_chunks_mut;

/// `x [n, c, l] (, weight [c] (, bias [c])) → y, mean [n, groups], reciprocal standard deviation [n, groups]`
#[derive(Debug, Clone, Copy)]
struct GroupNorm {
    name: &'static str,
    groups: usize,
    eps: f64,
    /// Whether the mean is subtracted; root-mean-square norm leaves it.
    centred: bool,
}

/// The sizes of the work: samples, groups of a sample, channels of a group, elements of a channel.
#[derive(Clone, Copy)]
struct Sizes {
    samples: usize,
    groups: usize,
    channels: usize,
    length: usize,
}

impl Sizes {
    fn row(&self) -> usize {
        self.channels * self.length
    }
}

/// The numbers of one row's affine map: `[channels of the group]` each.
#[derive(Clone, Copy)]
struct Affine<'a, T> {
    weight: Option<&'a [T]>,
    bias: Option<&'a [T]>,
}

impl<'a, T: Real> Affine<'a, T> {
    fn group(&self, group: usize, sizes: Sizes) -> Affine<'a, T> {
        let part = |values: &'a [T]| &values[group * sizes.channels..][..sizes.channels];
        Affine { weight: self.weight.map(part), bias: self.bias.map(part) }
    }

    fn weight(&self, channel: usize) -> T {
        self.weight.map_or(T::of(1.0), |w| w[channel])
    }

    fn bias(&self, channel: usize) -> T {
        self.bias.map_or(T::default(), |b| b[channel])
    }

    /// `y = y·weight + bias`, channel by channel.
    fn apply(&self, y: &mut [T], length: usize) {
        match (length, self.weight, self.bias) {
            (_, None, None) => {}
            (1, Some(w), Some(b)) => y.iter_mut().zip(w).zip(b).for_each(|((y, &w), &b)| *y = *y * w + b),
            (1, Some(w), None) => y.iter_mut().zip(w).for_each(|(y, &w)| *y *= w),
            _ => y.chunks_mut(length.max(1)).enumerate().for_each(|(c, y)| {
                let (w, b) = (self.weight(c), self.bias(c));
                y.iter_mut().for_each(|y| *y = *y * w + b);
            }),
        }
    }
}

impl GroupNorm {
    fn sizes(&self, x: &Shape) -> Sizes {
        Sizes { samples: x[0], groups: self.groups, channels: x[1] / self.groups.max(1), length: x[2] }
    }

    /// Mean and reciprocal standard deviation of a row, and `y`, the row normalized.
    ///
    /// The sums are of differences to the row's first element, which is about as far from the mean as any.
    fn row<T: Real>(&self, x: &[T], y: &mut [T]) -> (T, T) {
        let n = T::of(x.len() as f64);
        let shift = if self.centred { x[0] } else { T::default() };
        let (sum, squares) = two_sums(x, x, &|x, _| ((x - shift), (x - shift) * (x - shift)));
        let offset = if self.centred { sum / n } else { T::default() };
        let variance = squares / n - offset * offset;
        let scale = T::of(1.0) / (variance.at_least(T::default()) + T::of(self.eps)).sqrt();
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = ((x - shift) - offset) * scale);
        (shift + offset, scale)
    }

    fn forward<T: Real>(&self, x: &[Input], y: &mut [Output]) {
        let sizes = self.sizes(x[0].shape());
        let (weight, bias) = (x.get(1).map(|w| w.contiguous::<T>()), x.get(2).map(|b| b.contiguous::<T>()));
        let affine = Affine { weight: weight.as_deref(), bias: bias.as_deref() };
        let x = x[0].contiguous::<T>();
        let [y, mean, scale] = y else { unreachable!("three outputs") };
        let row = sizes.row();
        if row == 0 {
            mean.slice::<T>().fill(T::of(f64::NAN));
            return scale.slice::<T>().fill(T::of(f64::NAN));
        }
        let rows = (map::CHUNK / row).max(1);
        let outputs = y.slice::<T>().chunks_mut(rows * row);
        let statistics = mean.slice::<T>().chunks_mut(rows).zip(scale.slice::<T>().chunks_mut(rows));
        let mut tasks: Vec<_> = outputs.zip(statistics).collect();
        for_chunks_mut(&mut tasks, 1, |task, parts| {
            let (y, (mean, scale)) = &mut parts[0];
            for (i, y) in y.chunks_mut(row).enumerate() {
                let at = task * rows + i;
                (mean[i], scale[i]) = self.row(&x[at * row..][..row], y);
                affine.group(at % sizes.groups, sizes).apply(y, sizes.length);
            }
        });
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
        dispatch!(reals x[0].dtype(), T => self.forward::<T>(x, y));
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
}

/// `x, g, mean, scale (, weight) → ∂x [n, c, l], ∂weight [c], ∂bias [c]`
///
/// With x̂ the normalized row of M elements and h = g·weight: `∂x = scale·(h − Σh/M − x̂·Σ(h·x̂)/M)`.
#[derive(Debug)]
struct GroupNormGrad(GroupNorm);

impl GroupNormGrad {
    fn run_in<T: Real>(&self, x: &[Input], y: &mut [Output]) {
        let sizes = self.0.sizes(x[0].shape());
        let weight = x.get(4).map(|w| w.contiguous::<T>());
        let affine = Affine { weight: weight.as_deref(), bias: None };
        let [input, g, mean, scale] = [0, 1, 2, 3].map(|i| x[i].contiguous::<T>());
        let [dx, d_weight, d_bias] = y else { unreachable!("three outputs") };
        let (row, all) = (sizes.row(), sizes.groups * sizes.channels);
        let (d_weight, d_bias) = (d_weight.slice::<T>(), d_bias.slice::<T>());
        d_weight.fill(T::default());
        d_bias.fill(T::default());
        if row * sizes.samples == 0 {
            return;
        }
        // Each task sums the weights' gradients of its samples; the partial sums are then added in order.
        let samples = (map::CHUNK / (row * sizes.groups)).max(sizes.samples.div_ceil(64)).max(1);
        let parts = sizes.samples.div_ceil(samples);
        let mut partial = vec![T::default(); parts * 2 * all];
        let outputs = dx.slice::<T>().chunks_mut(samples * sizes.groups * row);
        let mut tasks: Vec<_> = outputs.zip(partial.chunks_mut(2 * all)).collect();
        for_chunks_mut(&mut tasks, 1, |task, parts| {
            let (dx, sums) = &mut parts[0];
            let (by_weight, by_bias) = sums.split_at_mut(all);
            let mut h = vec![T::default(); row];
            for (i, dx) in dx.chunks_mut(row).enumerate() {
                let at = task * samples * sizes.groups + i;
                let (x, g) = (&input[at * row..][..row], &g[at * row..][..row]);
                let (mean, scale, group) = (mean[at], scale[at], at % sizes.groups);
                dx.iter_mut().zip(x).for_each(|(dx, &x)| *dx = (x - mean) * scale);
                let channels = group * sizes.channels..(group + 1) * sizes.channels;
                add_products(g, dx, sizes.length, &mut by_weight[channels.clone()], &mut by_bias[channels]);
                h.copy_from_slice(g);
                affine.group(group, sizes).apply(&mut h, sizes.length);
                let (sum, product) = two_sums(&h, dx, &|h, x| (h, h * x));
                let n = T::of(row as f64);
                let (mean, slope) = (if self.0.centred { sum / n } else { T::default() }, product / n);
                dx.iter_mut().zip(&h).for_each(|(dx, &h)| *dx = scale * (h - mean - *dx * slope));
            }
        });
        for sums in partial.chunks(2 * all) {
            d_weight.iter_mut().zip(&sums[..all]).for_each(|(d, &s)| *d += s);
            d_bias.iter_mut().zip(&sums[all..]).for_each(|(d, &s)| *d += s);
        }
    }
}

/// Adds `Σ g·x̂` and `Σ g` of each channel of a row.
fn add_products<T: Real>(g: &[T], normalized: &[T], length: usize, by_weight: &mut [T], by_bias: &mut [T]) {
    if length == 1 {
        by_weight.iter_mut().zip(g).zip(normalized).for_each(|((d, &g), &x)| *d += g * x);
        return by_bias.iter_mut().zip(g).for_each(|(d, &g)| *d += g);
    }
    for (c, (g, x)) in g.chunks(length).zip(normalized.chunks(length)).enumerate() {
        let (sum, product) = two_sums(g, x, &|g, x| (g, g * x));
        by_weight[c] += product;
        by_bias[c] += sum;
    }
}

impl Op for GroupNormGrad {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let channels = x[0].with_shape(x[0].shape[1]);
        Ok([x[0].clone(), channels.clone(), channels].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => self.run_in::<T>(x, y));
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
