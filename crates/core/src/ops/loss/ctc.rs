//! `ctc_loss`: connectionist temporal classification (Graves et al. 2006), the likelihood of a labelling summed over all
//! its alignments with the input.

use super::cross_entropy::Reduction;
use crate::compile::effect;
use crate::op::apply_all;
use crate::ops::prelude::*;
use hadal_kernels::threads::for_chunks_mut;

/// What may be chosen about [`Tensor::ctc_loss`]; the default is PyTorch's.
#[derive(Clone, Copy, Debug, Default)]
pub struct CtcOptions {
    /// The class that stands for no label; 0 by default.
    pub blank: usize,
    /// The mean divides each loss by its number of labels first.
    pub reduction: Reduction,
    /// Whether a labelling that does not fit its input counts 0 instead of infinity.
    pub zero_infinity: bool,
}

/// `log probabilities [n, t, c], labels [n, s], input lengths [n], label lengths [n] → losses [n]`, in f64.
#[derive(Debug, Clone, Copy)]
struct Ctc {
    blank: usize,
    zero_infinity: bool,
}

/// One sample: log probabilities `[t, classes]`, and its labels with blanks before, between and after them.
struct Alignment<'a> {
    log: &'a [f64],
    classes: usize,
    states: Vec<usize>,
}

/// `log(e^a + e^b + …)`, −∞ if all are.
fn log_sum(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + libm::log(terms.iter().map(|t| libm::exp(t - largest)).sum())
}

impl Alignment<'_> {
    fn times(&self) -> usize {
        self.log.len() / self.classes.max(1)
    }

    fn log_probability(&self, time: usize, state: usize) -> f64 {
        self.log[time * self.classes + self.states[state]]
    }

    /// Whether a path may step from state `s − 2` to `s`: over a blank that separates different labels.
    fn skips(&self, s: usize) -> bool {
        s >= 2 && self.states[s] != self.states[s - 2] && s % 2 == 1
    }

    /// `[t, states]`: the log probability of all beginnings that are in state s after step t.
    fn forward(&self) -> Vec<f64> {
        let n = self.states.len();
        let mut alpha = vec![f64::NEG_INFINITY; self.times() * n];
        for t in 0..self.times() {
            let (before, now) = alpha.split_at_mut(t * n);
            let before = t.checked_sub(1).map(|t| &before[t * n..]);
            for s in 0..n {
                let reached = match before {
                    None => {
                        if s < 2 {
                            0.0
                        } else {
                            f64::NEG_INFINITY
                        }
                    }
                    Some(a) => {
                        let one = if s >= 1 { a[s - 1] } else { f64::NEG_INFINITY };
                        let two = if self.skips(s) { a[s - 2] } else { f64::NEG_INFINITY };
                        log_sum(&[a[s], one, two])
                    }
                };
                now[s] = reached + self.log_probability(t, s);
            }
        }
        alpha
    }

    /// `[t, states]`: the log probability of all endings that are in state s at step t, that step included.
    fn backward(&self) -> Vec<f64> {
        let (times, n) = (self.times(), self.states.len());
        let mut beta = vec![f64::NEG_INFINITY; times * n];
        for t in (0..times).rev() {
            let (now, after) = beta.split_at_mut((t + 1) * n);
            let now = &mut now[t * n..];
            for s in 0..n {
                let leaves = if t + 1 == times {
                    if s + 2 >= n { 0.0 } else { f64::NEG_INFINITY }
                } else {
                    let one = if s + 1 < n { after[s + 1] } else { f64::NEG_INFINITY };
                    let two = if s + 2 < n && self.skips(s + 2) { after[s + 2] } else { f64::NEG_INFINITY };
                    log_sum(&[after[s], one, two])
                };
                now[s] = leaves + self.log_probability(t, s);
            }
        }
        beta
    }

    /// The negative log-likelihood of the labels.
    fn loss(&self, alpha: &[f64]) -> f64 {
        let n = self.states.len();
        match alpha.len().checked_sub(n) {
            Some(last) => -log_sum(&alpha[last + n.saturating_sub(2)..]),
            // No steps: only the empty labelling fits.
            None => {
                if n == 1 {
                    0.0
                } else {
                    f64::INFINITY
                }
            }
        }
    }
}

impl Ctc {
    fn alignment<'a>(&self, x: &[Input], log: &'a [f64], sample: usize) -> Alignment<'a> {
        let [_, t, classes] = x[0].shape()[..] else { unreachable!("three axes") };
        let (labels, width) = (x[1].contiguous::<i64>(), x[1].shape()[1]);
        let (times, count) = (x[2].contiguous::<i64>()[sample], x[3].contiguous::<i64>()[sample]);
        let labels = &labels[sample * width..][..count as usize];
        let states = std::iter::once(self.blank).chain(labels.iter().flat_map(|&l| [l as usize, self.blank]));
        let log = &log[sample * t * classes..][..times as usize * classes];
        Alignment { log, classes, states: states.collect() }
    }

    fn counts(&self, loss: f64) -> bool {
        !(self.zero_infinity && loss == f64::INFINITY)
    }
}

impl Op for Ctc {
    fn name(&self) -> &'static str {
        "ctc_loss"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_shape(x[0].shape[0]))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let log = x[0].contiguous::<f64>();
        for_chunks_mut(y[0].slice::<f64>(), 1, |sample, y| {
            let alignment = self.alignment(x, &log, sample);
            let loss = alignment.loss(&alignment.forward());
            y[0] = if self.counts(loss) { loss } else { 0.0 };
        });
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        let inputs = [g.input(0), g.input(1), g.input(2), g.input(3), g.of(0)];
        let gradient = apply(CtcGrad(*self), &inputs.each_ref()).unwrap_or_else(|e| e.raise());
        vec![Some(gradient), None, None, None]
    }
}

/// `log probabilities, labels, lengths, lengths, g [n] → −g · the expected number of visits [n, t, c]`
#[derive(Debug)]
struct CtcGrad(Ctc);

impl Op for CtcGrad {
    fn name(&self) -> &'static str {
        "ctc_loss"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [_, t, classes] = x[0].shape()[..] else { unreachable!("three axes") };
        let (log, g) = (x[0].contiguous::<f64>(), x[4].contiguous::<f64>());
        for_chunks_mut(y[0].slice::<f64>(), (t * classes).max(1), |sample, y| {
            y.fill(0.0);
            let alignment = self.0.alignment(x, &log, sample);
            let (alpha, beta) = (alignment.forward(), alignment.backward());
            let (loss, n) = (alignment.loss(&alpha), alignment.states.len());
            if !self.0.counts(loss) {
                return;
            }
            for (at, (alpha, beta)) in alpha.iter().zip(&beta).enumerate() {
                let (time, state) = (at / n, at % n);
                // Both count the step at `time`.
                let path = alpha + beta - alignment.log_probability(time, state) + loss;
                if !(alpha + beta).is_infinite() {
                    y[time * classes + alignment.states[state]] -= g[sample] * libm::exp(path);
                }
            }
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        panic!("ctc_loss can be differentiated only once, as in PyTorch")
    }
}

/// Labels as `[n, s]`: given so, or one after the other.
fn padded(labels: &Tensor, lengths: &[usize]) -> Result<Tensor> {
    let labels = labels.try_to_dtype(DType::I64)?;
    let fail = |message: String| Err(Error::op("ctc_loss", message));
    match labels.shape()[..] {
        [n, width] if n == lengths.len() && lengths.iter().all(|&l| l <= width) => Ok(labels),
        [total] if total == lengths.iter().sum::<usize>() => {
            let (values, width) = (labels.try_to_vec::<i64>()?, lengths.iter().copied().max().unwrap_or(0));
            let mut rows = vec![0; lengths.len() * width];
            let mut start = 0;
            for (row, &length) in rows.chunks_mut(width.max(1)).zip(lengths) {
                row[..length].copy_from_slice(&values[start..start + length]);
                start += length;
            }
            Tensor::try_from_vec(rows, [lengths.len(), width])
        }
        _ => {
            let shape = labels.shape();
            fail(format!("needs labels [batch, longest], or all in a row, for lengths {lengths:?}; got shape {shape}"))
        }
    }
}

#[fallible]
impl Tensor {
    /// The loss of log probabilities `[time, batch, classes]` (from `log_softmax`) and unaligned labels, which are
    /// `[batch, longest]` or all in a row; `input_lengths` and `label_lengths` say how much of each sample counts.
    ///
    /// Computed in `f64`. The gradient cannot be differentiated again.
    pub fn ctc_loss(
        &self,
        labels: &Tensor,
        input_lengths: &[usize],
        label_lengths: &[usize],
        options: &CtcOptions,
    ) -> Result<Tensor> {
        let fail = |message: String| Err(Error::op("ctc_loss", message));
        let [times, n, classes] = self.shape()[..] else {
            return fail(format!("needs log probabilities [time, batch, classes], got shape {}", self.shape()));
        };
        if (input_lengths.len(), label_lengths.len()) != (n, n) {
            let (a, b) = (input_lengths.len(), label_lengths.len());
            return fail(format!("needs {n} input and label lengths for a batch of {n}, got {a} and {b}"));
        }
        if let Some(long) = input_lengths.iter().find(|&&l| l > times) {
            return fail(format!("got input length {long}, but there are {times} steps"));
        }
        let labels = padded(labels, label_lengths)?;
        let (given, blank) = (label_lengths.to_vec(), options.blank);
        effect("labels in range", &[&labels], Vec::new(), move |labels| {
            let (values, width) = (labels[0].try_to_vec::<i64>()?, labels[0].size(1));
            for (sample, &length) in given.iter().enumerate() {
                let wrong = |&&l: &&i64| !(0..classes as i64).contains(&l) || l == blank as i64;
                if let Some(label) = values[sample * width..][..length].iter().find(wrong) {
                    let last = classes - 1;
                    let message = format!(
                        "got label {label} for sample {sample}; labels are 0 to {last}, without the blank {blank}"
                    );
                    return Err(Error::op("ctc_loss", message));
                }
            }
            Ok(())
        })?;
        let lengths = |given: &[usize]| Tensor::from_slice(&given.iter().map(|&l| l as i64).collect::<Vec<_>>());
        let log = self.try_to_dtype(DType::F64)?.try_permute([1, 0, 2])?;
        let op = Ctc { blank: options.blank, zero_infinity: options.zero_infinity };
        let losses = &apply_all(op, &[&log, &labels, &lengths(input_lengths), &lengths(label_lengths)])?[0];
        let result = match options.reduction {
            Reduction::None => losses.clone(),
            Reduction::Sum => losses.try_sum(..)?,
            Reduction::Mean => {
                let counts = label_lengths.iter().map(|&l| l.max(1) as f64).collect::<Vec<_>>();
                losses.try_div(Tensor::from_slice(&counts))?.try_mean(..)?
            }
        };
        result.try_to_dtype(self.dtype())
    }
}

pub(crate) fn cases() -> Cases {
    let cases = Cases::new("ctc", |a, x| {
        let lengths = |t: &Tensor| t.to_vec::<i64>().into_iter().map(|l| l as usize).collect::<Vec<_>>();
        let options = CtcOptions {
            blank: a.integer("blank") as usize,
            reduction: super::nll::recorded_reduction(a),
            zero_infinity: a.flag("zero_infinity"),
        };
        vec![x[0].log_softmax(2).ctc_loss(&x[1], &lengths(&x[2]), &lengths(&x[3]), &options)]
    })
    .reading_elements(&[]);
    cases.differentiable_once()
}
