//! `cross_entropy`: from logits to the negative log-likelihood of the true class, in one pass over the logits.

use super::nll::{Labels, reduce};
use crate::op::apply_all;
use crate::ops::prelude::*;
use crate::run::lanes::whole_lanes;
use crate::run::real::Real;
use hadal_kernels::cross_entropy::{self as kernels, CrossEntropyElement};

/// How the losses of single samples become one number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reduction {
    /// Not at all.
    None,
    /// Their (weighted) mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

/// What may be chosen about [`Tensor::cross_entropy_with`]; the default is PyTorch's.
#[derive(Clone, Debug)]
pub struct CrossEntropyOptions {
    /// One weight per class, `[classes]`; without it each class counts 1.
    pub weight: Option<Tensor>,
    /// Samples with this label add nothing to the loss; −100 by default.
    pub ignore_index: i64,
    /// The share of each target that is spread evenly over all classes (Szegedy et al. 2016), 0 to 1.
    pub label_smoothing: f64,
    /// Mean over samples, sum, or neither.
    pub reduction: Reduction,
}

impl Default for CrossEntropyOptions {
    fn default() -> CrossEntropyOptions {
        CrossEntropyOptions { weight: None, ignore_index: -100, label_smoothing: 0.0, reduction: Reduction::Mean }
    }
}

/// `logits [n, c, l], labels [n, l] (, weight [c]) → loss, pull, sample weight, largest logit, share`, each `[n, l]`.
///
/// With smoothing s over C classes, a sample of class y loses
/// `(1 − s)·w_y·(−log p_y) + s/C·Σ_c w_c·(−log p_c)`; its derivative by logit c is
/// `pull·p_c − (1 − s)·w_y·[c = y] − s/C·w_c` with `pull = (1 − s)·w_y + s/C·Σ w`. The last two outputs save the
/// gradient two passes: `p_c = share·exp(logit_c − largest)`.
#[derive(Debug, Clone, Copy)]
struct LabelledEntropy {
    ignore_index: i64,
    smoothing: f64,
}

/// The terms of one sample that do not depend on its logits.
struct Terms<T> {
    weight: Vec<T>,
    /// (1 − s)·w
    own: Vec<T>,
    /// s/C·w, nothing without smoothing
    even: Vec<T>,
    /// s/C·Σ w
    even_sum: T,
}

impl LabelledEntropy {
    fn terms<T: Real>(&self, classes: usize, weight: Option<&Input>) -> Terms<T> {
        let weight = weight.map_or(vec![1.0; classes], |w| w.contiguous::<T>().iter().map(|w| w.to_f64()).collect());
        let even = self.smoothing / classes as f64;
        let smoothed = if self.smoothing > 0.0 { &weight[..] } else { &[] };
        Terms {
            weight: weight.iter().map(|&w| T::of(w)).collect(),
            own: weight.iter().map(|w| T::of((1.0 - self.smoothing) * w)).collect(),
            even: smoothed.iter().map(|w| T::of(even * w)).collect(),
            even_sum: T::of(smoothed.iter().map(|w| even * w).sum()),
        }
    }

    fn labels<'a, T>(&self, labels: &'a [i64], terms: &'a Terms<T>) -> kernels::Labels<'a, T> {
        kernels::Labels { labels, ignored: self.ignore_index, own: &terms.own, even: &terms.even }
    }

    fn forward<T: Real + CrossEntropyElement>(&self, x: &[Input], y: &mut [Output]) {
        let (logits, classes) = rows::rows::<T>(&x[0], &[1]);
        let labels = x[1].contiguous::<i64>();
        let terms = self.terms::<T>(classes, x.get(2));
        let [loss, pull, weight, largest, share] = y else { unreachable!("five outputs") };
        let losses = kernels::Losses { loss: loss.slice(), largest: largest.slice(), share: share.slice() };
        kernels::cross_entropy_rows(self.labels(&labels, &terms), &logits, losses);
        let numbers = pull.slice::<T>().iter_mut().zip(weight.slice::<T>());
        for ((pull, weight), &label) in numbers.zip(&labels[..]) {
            let class = (label != self.ignore_index).then_some(label as usize);
            *pull = class.map_or(T::default(), |y| terms.own[y] + terms.even_sum);
            *weight = class.map_or(T::default(), |y| terms.weight[y]);
        }
    }
}

impl Op for LabelledEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        Ok(Metas::from_elem(x[1].with_dtype(x[0].dtype), 5))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => self.forward::<T>(x, y));
    }

    fn reads(&self) -> Reads {
        Reads { inputs: !0, outputs: 0b11010 }
    }

    /// Only the loss counts as a function of the logits; labels and class weights have no gradient.
    fn grad(&self, g: &Grad) -> Grads {
        let [pull, largest, share] = [1, 3, 4].map(|i| g.output(i).detach());
        let mut inputs = vec![g.input(0), g.input(1), pull, g.of(0), largest, share];
        inputs.extend((g.inputs() == 3).then(|| g.input(2)));
        let slope = apply(LabelledSlope(*self), &inputs.iter().collect::<Vec<_>>()).unwrap_or_else(|e| e.raise());
        let mut gradients = vec![None; g.inputs()];
        gradients[0] = Some(slope);
        gradients
    }

    /// Loss, pull and weight; the other outputs are for the gradient.
    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed_all(|x| {
            let (classes, smoothing) = (x[0].size(1), self.smoothing);
            let ignored = x[1].eq(self.ignore_index);
            let class = ignored.where_(0, &x[1]);
            let counted = ignored.logical_not().to_dtype(x[0].dtype());
            let weight = match x.get(2) {
                Some(weight) => weight.index_select(0, &class.ravel()).reshape(class.shape()).mul(counted),
                None => counted,
            };
            let log = x[0].log_softmax(1);
            let own = log.gather(1, &class.unsqueeze(1)).squeeze(1).mul(&weight).mul(1.0 - smoothing);
            let mut loss = own.neg();
            let mut pull = weight.mul(1.0 - smoothing);
            if smoothing > 0.0 {
                let share = smoothing / classes as f64;
                let (all, sum) = match x.get(2) {
                    Some(weight) => (log.mul(weight.reshape([classes, 1])), weight.sum(..)),
                    None => (log.clone(), Tensor::full_with((), classes, x[0].dtype())),
                };
                loss = loss.sub(all.sum(1).mul(share));
                pull = pull.add(sum.mul(share));
            }
            Ok(vec![ignored.where_(0, loss), ignored.where_(0, pull), weight])
        })
    }
}

/// `logits, labels, pull, scale, largest, share (, weight) → scale·(pull·p − (1 − s)·w_y·[c = y] − s/C·w_c)`.
#[derive(Debug)]
struct LabelledSlope(LabelledEntropy);

impl Op for LabelledSlope {
    fn name(&self) -> &'static str {
        "cross_entropy_grad"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => {
            let terms = self.0.terms::<T>(x[0].shape()[1], x.get(6));
            let labels = x[1].contiguous::<i64>();
            let labels = self.0.labels(&labels, &terms);
            let [pull, scale, largest, share] = [2, 3, 4, 5].map(|i| x[i].contiguous::<T>());
            let slopes = kernels::Slopes { largest: &largest, share: &share, pull: &pull, scale: &scale };
            whole_lanes([&x[0]], 1, &mut y[0], |first, [logits], _, y| {
                kernels::cross_entropy_rows_backward(labels, slopes, first, logits, y);
            });
        });
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// By the logits this is softmax's own gradient, scaled; by the scale it is the op with scale 1.
    fn grad(&self, g: &Grad) -> Grads {
        let (logits, pull, scale, h) = (g.input(0), g.input(2), g.input(3), g.of(0));
        let (n, l) = (pull.shape()[0], pull.shape()[1]);
        let unit = || {
            let mut inputs: Vec<Tensor> = (0..g.inputs()).map(|i| g.input(i)).collect();
            inputs[3] = scale.ones_like();
            apply(LabelledSlope(self.0), &inputs.iter().collect::<Vec<_>>()).unwrap_or_else(|e| e.raise())
        };
        let curved = || {
            let p = logits.softmax(1);
            let mean = p.mul(&h).sum_keepdim(1);
            p.mul(h.sub(mean)).mul(scale.mul(&pull).reshape([n, 1, l]))
        };
        let mut gradients = vec![None; g.inputs()];
        gradients[0] = g.when(0, curved);
        gradients[3] = g.when(3, || unit().mul(&h).sum(1));
        gradients
    }
}

#[fallible]
impl Tensor {
    /// The mean cross-entropy of logits `[batch, classes, …]` and targets: `−log softmax(logits)[target]`.
    ///
    /// Targets are class indices `[batch, …]` (integers; `[batch, 1]` is accepted) or probabilities of the logits'
    /// shape. Do not apply softmax before.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let logits = Tensor::from([[0.0f32, 0.0], [100.0, 0.0]]);
    /// let loss = logits.cross_entropy(&Tensor::from([1i64, 0]));
    /// assert!((loss.item::<f32>() - 0.5 * 2f32.ln()).abs() < 1e-6);
    /// ```
    pub fn cross_entropy(&self, target: &Tensor) -> Result<Tensor> {
        self.try_cross_entropy_with(target, &CrossEntropyOptions::default())
    }

    /// As [`Tensor::cross_entropy`], with class weights, an ignored label, label smoothing, or another reduction.
    pub fn cross_entropy_with(&self, target: &Tensor, options: &CrossEntropyOptions) -> Result<Tensor> {
        let fail = |message: String| Err(Error::op("cross_entropy", message));
        let smoothing = options.label_smoothing;
        if !(0.0..=1.0).contains(&smoothing) {
            return fail(format!("needs label smoothing between 0 and 1, got {smoothing}"));
        }
        if !self.dtype().is_float() {
            let message =
                format!("needs logits, which are floats, got {}; pass the model's output as it is", self.dtype());
            return fail(message);
        }
        if target.dtype().is_float() {
            return probabilities(self, target, options)?.try_to_dtype(self.dtype());
        }
        let labels = Labels::new("cross_entropy", self, target, options.weight.as_ref(), options.ignore_index)?;
        let op = LabelledEntropy { ignore_index: options.ignore_index, smoothing };
        let outputs = apply_all(op, &labels.inputs())?;
        reduce(&outputs[0], &outputs[2].detach(), options.reduction, &labels.shape)?.try_to_dtype(self.dtype())
    }
}

/// `−Σ w_c·q_c·log p_c`; the mean is over samples, whatever the weights.
fn probabilities(logits: &Tensor, target: &Tensor, options: &CrossEntropyOptions) -> Result<Tensor> {
    let axis = logits.rank().min(2) as isize - 1;
    if target.shape() != logits.shape() || axis < 0 {
        if target.rank() == logits.rank() {
            let message =
                format!("needs probabilities of the logits' shape {}, got {}", logits.shape(), target.shape());
            return Err(Error::op("cross_entropy", message));
        }
        let message = format!(
            "needs class indices (integers) or probabilities of the logits' shape {}, got {} of shape {}; \
             convert labels with .to_dtype(DType::I64)",
            logits.shape(),
            target.dtype(),
            target.shape()
        );
        return Err(Error::op("cross_entropy", message));
    }
    let classes = logits.size(axis);
    let log = logits.try_to_dtype(logits.dtype().compute())?.try_log_softmax(axis)?;
    let mut target = target.try_to_dtype(log.dtype())?;
    if options.label_smoothing > 0.0 {
        let even = options.label_smoothing / classes as f64;
        target = target.try_mul(1.0 - options.label_smoothing)?.try_add(even)?;
    }
    if let Some(weight) = &options.weight {
        let mut shape = vec![1; logits.rank()];
        shape[axis as usize] = classes;
        target = target.try_mul(weight.try_to_dtype(log.dtype())?.try_reshape(shape)?)?;
    }
    let losses = log.try_mul(target)?.try_sum(axis)?.try_neg()?;
    match options.reduction {
        Reduction::None => Ok(losses),
        Reduction::Sum => losses.try_sum(..),
        Reduction::Mean => losses.try_sum(..)?.try_div(losses.elements() as f64),
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cross_entropy", |a, x| {
        let options = CrossEntropyOptions {
            weight: x.get(2).cloned(),
            ignore_index: a.integer("ignore_index") as i64,
            label_smoothing: a.float("label_smoothing"),
            reduction: super::nll::recorded_reduction(a),
        };
        vec![x[0].cross_entropy_with(&x[1], &options)]
    })
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn labels_may_be_a_column() {
        let logits = Tensor::from([[1.0f32, 2.0, 0.5], [0.1, 0.2, 0.3]]);
        let (row, column) = (Tensor::from([2i64, 0]), Tensor::from([[2i64], [0]]));
        assert_eq!(
            logits.cross_entropy(&row).item::<f32>().to_bits(),
            logits.cross_entropy(&column).item::<f32>().to_bits()
        );
    }

    #[test]
    fn mistakes_are_explained() {
        let logits = Tensor::zeros([2, 3]);
        let text = |t: Tensor| logits.try_cross_entropy(&t).unwrap_err().to_string();
        assert_eq!(
            text(Tensor::from([0i64, 3])),
            "cross_entropy got label 3 for sample 1, but the logits have 3 classes: labels count from 0 to 2"
        );
        assert_eq!(
            text(Tensor::from([-1i64, 0])),
            "cross_entropy got label -1 for sample 0, but the logits have 3 classes: labels count from 0 to 2"
        );
        assert_eq!(
            text(Tensor::from([0i64, 1, 2])),
            "cross_entropy needs one label per sample: logits [2, 3] take labels [2], got [3]; where the batch of 3 \
             became 2, flatten with .flatten(1, -1), which keeps the batch axis"
        );
        assert_eq!(
            text(Tensor::from([0.0f32, 1.0])),
            "cross_entropy needs class indices (integers) or probabilities of the logits' shape [2, 3], \
             got f32 of shape [2]; convert labels with .to_dtype(DType::I64)"
        );
    }
}
