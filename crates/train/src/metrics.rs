//! Metrics: exact over a whole epoch, whatever the batch sizes, because they add up counts and sums.

mod accuracy;
mod confusion;
mod regression;

pub use accuracy::{Accuracy, TopK};
pub use confusion::{Averaging, ConfusionMatrix, FBeta, Precision, Recall};
pub use regression::{MeanAbsoluteError, R2, RootMeanSquaredError};

use hadal_core::{DType, Error, Result, Tensor};

/// A number that describes how good predictions are, gathered batch by batch.
pub trait Metric: Send {
    /// The name in logs and progress bars.
    fn name(&self) -> String;
    /// Takes in a batch.
    fn update(&mut self, prediction: &Tensor, target: &Tensor) -> Result<()>;
    /// The value over all batches since the last reset; NaN before the first.
    fn value(&self) -> f64;
    /// Forgets all batches.
    fn reset(&mut self);
}

/// A mean of per-batch means, weighted by the number of samples: the loss of an epoch.
#[derive(Clone, Copy, Default, Debug)]
pub struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    /// Takes in a mean over `samples` samples.
    pub fn update(&mut self, mean: f64, samples: usize) {
        self.sum += mean * samples as f64;
        self.weight += samples as f64;
    }

    /// The mean so far; NaN before the first batch.
    pub fn value(&self) -> f64 {
        self.sum / self.weight
    }
}

/// How targets name classes, told from shapes and types as Keras does.
#[derive(Debug)]
enum Classes {
    /// One score per sample: above the threshold means class 1.
    Binary { predicted: Vec<bool>, actual: Vec<bool> },
    /// One score per class.
    Many { scores: Vec<f32>, classes: usize, actual: Vec<usize> },
}

impl Classes {
    /// Scores `[samples, classes]` or `[samples, classes, …]` with class indices `[samples, …]`, `[samples, 1]` or
    /// one-hot rows; or one score per sample with 0/1 targets.
    fn of(metric: &str, prediction: &Tensor, target: &Tensor, threshold: f64) -> Result<Classes> {
        let (p, t) = (prediction.shape(), target.shape());
        let wrong = || {
            let message = format!(
                "needs scores [samples, classes] with class indices [samples] or one-hot rows, \
                 or one score per sample with 0/1 targets; got scores {p} and targets {t}"
            );
            Error::op(metric, message)
        };
        if p.is_empty() {
            return Err(wrong());
        }
        let single = p.rank() == 1 || p.rank() == 2 && p[1] == 1;
        if single {
            if t.elements() != p.elements() || t[0] != p[0] {
                return Err(wrong());
            }
            let predicted = prediction.to_f64_vec().iter().map(|&score| score > threshold).collect();
            let actual = target.to_f64_vec().iter().map(|&label| label > 0.5).collect();
            return Ok(Classes::Binary { predicted, actual });
        }
        let classes = p[1];
        let one_hot = t == p && (target.dtype().is_float() || p.rank() == 2);
        let by_class = |t: &Tensor| {
            // Classes last, so that one sample's scores lie together.
            let order: Vec<isize> = std::iter::once(0).chain(2..t.rank() as isize).chain([1]).collect();
            t.to_dtype(DType::F32).permute(order).to_vec::<f32>()
        };
        let scores = by_class(prediction);
        if one_hot {
            let actual = by_class(target).chunks(classes).map(argmax).collect();
            return Ok(Classes::Many { scores, classes, actual });
        }
        if target.elements() * classes != prediction.elements() || target.dtype().is_float() {
            return Err(wrong());
        }
        let labels = target.to_f64_vec();
        if let Some(at) = labels.iter().position(|l| !(0.0..classes as f64).contains(l)) {
            let message = format!("found label {} at sample {at}; labels are 0 to {}", labels[at], classes - 1);
            return Err(Error::op(metric, message));
        }
        Ok(Classes::Many { scores, classes, actual: labels.into_iter().map(|l| l as usize).collect() })
    }

    /// `(predicted, actual)` class of every sample.
    fn pairs(&self) -> Vec<(usize, usize)> {
        match self {
            Classes::Binary { predicted, actual } => {
                predicted.iter().zip(actual).map(|(&p, &a)| (p as usize, a as usize)).collect()
            }
            Classes::Many { scores, classes, actual } => {
                scores.chunks(*classes).map(argmax).zip(actual.iter().copied()).collect()
            }
        }
    }
}

/// The position of the first largest value.
fn argmax(scores: &[f32]) -> usize {
    scores.iter().enumerate().fold(0, |best, (i, score)| if *score > scores[best] { i } else { best })
}
