//! `nll_loss`: the negative of the log-probability at each sample's class.

use super::cross_entropy::Reduction;
use crate::compile;
use crate::ops::prelude::*;
use crate::run::map::Number;
use crate::testing::Attributes;

/// A checked pair of scores and class indices, in the shapes that the kernels take.
pub(crate) struct Labels {
    /// `[n, c, l]`, of a type that kernels compute in.
    scores: Tensor,
    /// `[n, l]`, each a class or the ignored label.
    labels: Tensor,
    /// `[c]`
    weight: Option<Tensor>,
    /// The shape of one loss per sample, as the caller sees it.
    pub(crate) shape: Shape,
}

impl Labels {
    /// Scores `[c]`, `[n, c]` or `[n, c, …]` with labels of the same shape without `c`, or a column for `[n, c]`.
    pub(crate) fn new(
        op: &'static str,
        scores: &Tensor,
        labels: &Tensor,
        weight: Option<&Tensor>,
        ignore: i64,
    ) -> Result<Labels> {
        let fail = |message: String| Err(Error::op(op, message));
        let (n, classes, positions) = match scores.shape()[..] {
            [] => return fail("needs logits with an axis of classes, got a scalar".into()),
            [c] => (1, c, Shape::default()),
            [n, c, ref rest @ ..] => (n, c, Shape::from(rest)),
        };
        let shape = scores.shape().reduce(&[scores.rank().min(2) - 1], false);
        let column = scores.rank() == 2 && *labels.shape() == [n, 1];
        if *labels.shape() != shape && !column {
            return fail(misfit(scores.shape(), &shape, labels.shape()));
        }
        if let Some(weight) = weight {
            if *weight.shape() != [classes] {
                return fail(format!("needs one weight per class, [{classes}], got {}", weight.shape()));
            }
            if weight.has_grad() {
                return fail("has no gradient by the class weights: pass weight.detach()".into());
            }
        }
        let labels = labels.try_to_dtype(DType::I64)?.try_reshape([n, positions.elements()])?;
        let rank = positions.rank();
        compile::effect("labels in range", &[&labels], Vec::new(), move |labels| {
            in_range(op, &labels[0], classes, ignore, rank)
        })?;
        let dtype = scores.dtype().compute();
        let scores = scores.try_to_dtype(dtype)?.try_reshape([n, classes, positions.elements()])?;
        let weight = weight.map(|w| w.try_to_dtype(dtype)).transpose()?;
        Ok(Labels { scores, labels, weight, shape })
    }

    /// Scores, labels and, if given, weight: the inputs of the op.
    pub(crate) fn inputs(&self) -> Vec<&Tensor> {
        [&self.scores, &self.labels].into_iter().chain(&self.weight).collect()
    }
}

/// An error that names the first of the labels `[n, l]` that is no class; `rank` counts the axes behind `l`.
fn in_range(op: &'static str, labels: &Tensor, classes: usize, ignore: i64, rank: usize) -> Result<()> {
    let wrong = |&label: &i64| label != ignore && !(0..classes as i64).contains(&label);
    let values = labels.try_to_vec::<i64>()?;
    let Some(at) = values.iter().position(wrong) else { return Ok(()) };
    let (label, per_sample, last) = (values[at], labels.size(1), classes as i64 - 1);
    let place = if rank == 0 { String::new() } else { format!(" (position {})", at % per_sample) };
    let sample = at / per_sample;
    let message = format!(
        "got label {label} for sample {sample}{place}, but the logits have {classes} classes: labels count from 0 to {last}"
    );
    Err(Error::op(op, message))
}

/// Why these labels do not belong to these scores, which take labels of shape `expected`.
fn misfit(scores: &Shape, expected: &Shape, found: &Shape) -> String {
    let fix = match (&scores[..], &found[..]) {
        ([n, _], [m]) => {
            format!("; where the batch of {m} became {n}, flatten with .flatten(1, -1), which keeps the batch axis")
        }
        ([n, .., classes], [m]) if scores.rank() > 2 && n == m => {
            format!("; if the {classes} on the last axis are the classes, put Flatten before the first Linear")
        }
        _ => String::new(),
    };
    format!("needs one label per sample: logits {scores} take labels {expected}, got {found}{fix}")
}

/// The losses `[n, l]` as asked; the mean divides by the sum of the samples' weights.
pub(crate) fn reduce(losses: &Tensor, weights: &Tensor, reduction: Reduction, shape: &Shape) -> Result<Tensor> {
    match reduction {
        Reduction::None => losses.try_reshape(shape),
        Reduction::Sum => losses.try_sum(..),
        Reduction::Mean => losses.try_sum(..)?.try_div(weights.try_sum(..)?),
    }
}

/// `scores [n, c, l], labels [n, l] (, weight [c]) → −w_y·scores_y and w_y`, both `[n, l]`.
#[derive(Debug, Clone, Copy)]
struct PickLabelled {
    ignore_index: i64,
}

/// Calls `f(sample, position in the scores, weight)` for every sample that counts.
fn each_label<T: Number>(
    ignore: i64,
    labels: &Input,
    c: usize,
    weight: Option<&Input>,
    mut f: impl FnMut(usize, usize, T),
) {
    let l = labels.shape()[1];
    let weight = weight.map(|w| w.contiguous::<T>());
    for (i, &class) in labels.contiguous::<i64>().iter().enumerate().filter(|(_, y)| **y != ignore) {
        let class = class as usize;
        let weight = weight.as_ref().map_or(T::from_i64(1), |w| w[class]);
        f(i, (i / l * c + class) * l + i % l, weight);
    }
}

impl Op for PickLabelled {
    fn name(&self) -> &'static str {
        "nll_loss"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        Ok(Metas::from_elem(x[1].with_dtype(x[0].dtype), 2))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [losses, weights] = y else { unreachable!("two outputs") };
        dispatch!(reals x[0].dtype(), T => {
            let scores = x[0].contiguous::<T>();
            let (losses, weights) = (losses.slice::<T>(), weights.slice::<T>());
            losses.fill(0.0);
            weights.fill(0.0);
            each_label::<T>(self.ignore_index, &x[1], x[0].shape()[1], x.get(2), |i, at, weight| {
                losses[i] = -weight * scores[at];
                weights[i] = weight;
            });
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b110, outputs: 0 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let mut inputs = vec![g.of(0), g.input(1)];
        inputs.extend((g.inputs() == 3).then(|| g.input(2)));
        let op = PlaceLabelled { ignore_index: self.ignore_index, classes: g.meta(0).shape[1] };
        let mut gradients = vec![None; g.inputs()];
        gradients[0] = Some(apply(op, &inputs.iter().collect::<Vec<_>>()).unwrap_or_else(|e| e.raise()));
        gradients
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed_all(|x| {
            let ignored = x[1].eq(self.ignore_index);
            let class = ignored.where_(0, &x[1]);
            let counted = ignored.logical_not().to_dtype(x[0].dtype());
            let weight = match x.get(2) {
                Some(weight) => weight.index_select(0, &class.ravel()).reshape(class.shape()).mul(counted),
                None => counted,
            };
            let scores = x[0].gather(1, &class.unsqueeze(1)).squeeze(1);
            Ok(vec![ignored.where_(0, scores.mul(&weight).neg()), weight])
        })
    }
}

/// The adjoint of [`PickLabelled`]: `g [n, l], labels [n, l] (, weight [c]) → [n, c, l]`, −w_y·g at the classes.
#[derive(Debug)]
struct PlaceLabelled {
    ignore_index: i64,
    classes: usize,
}

impl Op for PlaceLabelled {
    fn name(&self) -> &'static str {
        "nll_loss_grad"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_shape([x[0].shape[0], self.classes, x[0].shape[1]]))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => {
            let g = x[0].contiguous::<T>();
            let y = y[0].slice::<T>();
            y.fill(0.0);
            each_label::<T>(self.ignore_index, &x[1], self.classes, x.get(2), |i, at, weight| y[at] = -weight * g[i]);
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b110, outputs: 0 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let mut inputs = vec![g.of(0), g.input(1)];
        inputs.extend((g.inputs() == 3).then(|| g.input(2)));
        let op = PickLabelled { ignore_index: self.ignore_index };
        let mut gradients = vec![None; g.inputs()];
        gradients[0] = Some(apply(op, &inputs.iter().collect::<Vec<_>>()).unwrap_or_else(|e| e.raise()));
        gradients
    }
}

#[fallible]
impl Tensor {
    /// The negative of these log-probabilities `[batch, classes, …]` at the classes `target [batch, …]`.
    ///
    /// `weight` has one number per class; samples labelled `ignore_index` count nothing, and the mean divides
    /// by the sum of the samples' weights.
    pub fn nll_loss(
        &self,
        target: &Tensor,
        weight: Option<&Tensor>,
        ignore_index: i64,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let labels = Labels::new("nll_loss", self, target, weight, ignore_index)?;
        let outputs = crate::op::apply_all(PickLabelled { ignore_index }, &labels.inputs())?;
        reduce(&outputs[0], &outputs[1].detach(), reduction, &labels.shape)?.try_to_dtype(self.dtype())
    }
}

/// The recorded `reduction` of a case.
pub(crate) fn recorded_reduction(a: &Attributes) -> Reduction {
    match a.text("reduction") {
        "none" => Reduction::None,
        "mean" => Reduction::Mean,
        "sum" => Reduction::Sum,
        other => panic!("no reduction is called {other}"),
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("nll", |a, x| {
        let ignore = a.integer("ignore_index") as i64;
        vec![x[0].nll_loss(&x[1], x.get(2), ignore, recorded_reduction(a))]
    })
}
