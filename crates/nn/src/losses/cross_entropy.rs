//! `CrossEntropy`: the loss of classification, from logits.

use hadal_core::{CrossEntropyOptions, Reduction, Result, Tensor, fallible, warn_once};
use std::borrow::Cow;

/// The mean of `−log softmax(logits)[target]`.
///
/// Logits are `[batch, classes, …]`. Targets are class indices `[batch, …]` (or a column `[batch, 1]`), or
/// probabilities (one-hot vectors included) of the logits' shape.
#[derive(Clone, Debug, Default)]
pub struct CrossEntropy(CrossEntropyOptions);

/// [`CrossEntropy`] without options.
///
/// # Panics
/// If the target does not fit the logits; a label out of range is named with its sample.
#[track_caller]
pub fn cross_entropy(logits: &Tensor, target: &Tensor) -> Tensor {
    CrossEntropy::new().forward(logits, target)
}

impl CrossEntropy {
    /// The mean over all samples, each class counting the same.
    pub fn new() -> CrossEntropy {
        CrossEntropy::default()
    }

    /// Spreads this share (0 to 1) of each target evenly over all classes (Szegedy et al. 2016).
    pub fn label_smoothing(mut self, share: f64) -> CrossEntropy {
        self.0.label_smoothing = share;
        self
    }

    /// How much each class counts: `[classes]`. The mean divides by the sum of the samples' weights.
    pub fn class_weights(mut self, weights: Tensor) -> CrossEntropy {
        self.0.weight = Some(weights);
        self
    }

    /// Samples with this label do not count; −100 if not set.
    pub fn ignore_index(mut self, label: i64) -> CrossEntropy {
        self.0.ignore_index = label;
        self
    }

    /// Sum, mean, or one loss per sample.
    pub fn reduction(mut self, reduction: Reduction) -> CrossEntropy {
        self.0.reduction = reduction;
        self
    }
}

#[fallible]
impl CrossEntropy {
    /// The loss of these logits.
    ///
    /// Probabilities where logits belong are the classic mistake, which trains slowly and stops early: if `logits` is
    /// the result of a softmax, that is undone, with one warning.
    pub fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        let classes = logits.rank().min(2).saturating_sub(1);
        let logits = match logits.softmax_of() {
            Some((before, axis)) if axis == classes => {
                warn_once(
                    "softmax before cross_entropy",
                    "cross_entropy takes logits, and got the result of a softmax: its input is used instead. \
                     Remove the softmax from the model, and apply it to predictions only",
                );
                before
            }
            _ => logits,
        };
        let one_hot = !target.dtype().is_float() && target.shape() == logits.shape() && logits.rank() > 1;
        let target = if one_hot { Cow::Owned(target.try_to_dtype(logits.dtype())?) } else { Cow::Borrowed(target) };
        logits.try_cross_entropy_with(&target, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("cross_entropy", |a, x| {
            let mut loss = CrossEntropy::new().label_smoothing(a.float("label_smoothing")).reduction(reduction(a));
            loss = loss.ignore_index(a.integer("ignore_index") as i64);
            if let Some(weights) = x.get(2) {
                loss = loss.class_weights(weights.clone());
            }
            loss.forward(&x[0], &x[1])
        });
    }

    #[test]
    fn a_softmax_before_the_loss_is_undone() {
        let logits = Tensor::from([[3.0f32, -200.0, 0.5], [0.1, 0.2, 0.3]]).requires_grad();
        let labels = Tensor::from([1i64, 2]);
        let right = cross_entropy(&logits, &labels);
        let wrong = cross_entropy(&logits.softmax(1), &labels);
        assert_eq!(right.item::<f32>().to_bits(), wrong.item::<f32>().to_bits());
        let gradient = |loss: Tensor| loss.backward().of(&logits).unwrap().to_bytes();
        assert_eq!(gradient(right), gradient(wrong));
        assert!(!warn_once("softmax before cross_entropy", ""), "the user was warned");
        // Over another axis it is not the mistake.
        let other = logits.softmax(0);
        assert_ne!(cross_entropy(&other, &labels).item::<f32>(), cross_entropy(&logits, &labels).item::<f32>());
    }

    #[test]
    fn one_hot_labels_and_columns_are_labels_too() {
        let logits = Tensor::from([[1.0f32, 2.0, 0.5], [0.1, 0.2, 0.3]]);
        let expected = cross_entropy(&logits, &Tensor::from([2i64, 0])).item::<f32>();
        let one_hot = Tensor::from([[0i64, 0, 1], [1, 0, 0]]);
        for target in [Tensor::from([[2i64], [0]]), one_hot.to_dtype(hadal_core::DType::F32), one_hot] {
            assert!((cross_entropy(&logits, &target).item::<f32>() - expected).abs() < 1e-6);
        }
    }
}
