//! Margins between the scores of classes.

use super::Reduction;
use super::pair::{finish, reduced, same_shape};
use hadal_core::{DType, Error, Result, Tensor, fallible};

/// `Σ max(0, margin − score of the class + score of another)^p / classes`, for scores `[batch, classes]` and labels
/// `[batch]` (Crammer and Singer 2001).
#[derive(Clone, Debug)]
pub struct MultiMargin {
    p: i64,
    margin: f64,
    weight: Option<Tensor>,
    reduction: Reduction,
}

impl MultiMargin {
    /// Exponent 1, margin 1, the mean.
    pub fn new() -> MultiMargin {
        MultiMargin { p: 1, margin: 1.0, weight: None, reduction: Reduction::Mean }
    }

    /// The exponent: 1 or 2.
    pub fn p(self, p: i64) -> MultiMargin {
        MultiMargin { p, ..self }
    }

    /// By how much the score of the class should be above all others.
    pub fn margin(self, margin: f64) -> MultiMargin {
        MultiMargin { margin, ..self }
    }

    /// How much each class counts: `[classes]`.
    pub fn class_weights(self, weight: Tensor) -> MultiMargin {
        MultiMargin { weight: Some(weight), ..self }
    }

    /// Sum, mean, or one loss per sample.
    pub fn reduction(self, reduction: Reduction) -> MultiMargin {
        MultiMargin { reduction, ..self }
    }
}

impl Default for MultiMargin {
    fn default() -> MultiMargin {
        MultiMargin::new()
    }
}

#[fallible]
impl MultiMargin {
    /// The loss.
    pub fn forward(&self, scores: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let [batch, classes] = scores.shape()[..] else {
            let message = format!("needs scores of shape [batch, classes], got {}", scores.shape());
            return Err(Error::op("multi_margin", message));
        };
        if labels.elements() != batch || labels.dtype().is_float() {
            let message = format!(
                "needs one label (an integer) per sample, [{batch}], got {} {}",
                labels.dtype(),
                labels.shape()
            );
            return Err(Error::op("multi_margin", message));
        }
        let column = labels.try_to_dtype(DType::I64)?.try_reshape([batch, 1])?;
        let values = column.to_vec::<i64>();
        if let Some(sample) = values.iter().position(|label| !(0..classes as i64).contains(label)) {
            let message = format!("got label {} for sample {sample}, but there are {classes} classes", values[sample]);
            return Err(Error::op("multi_margin", message));
        }
        let own = scores.try_gather(1, &column)?;
        let gaps = scores.try_sub(own)?.try_add(self.margin)?.try_clamp_min(0.0)?;
        let gaps = if self.p == 1 { gaps } else { gaps.try_pow(self.p)? };
        let gaps = match &self.weight {
            Some(weight) => gaps.try_mul(weight.try_index_select(0, &column.try_reshape(batch)?)?.try_unsqueeze(1)?)?,
            None => gaps,
        };
        let others = labels.try_reshape(batch)?.try_one_hot(classes)?.try_eq(0)?;
        let losses = others.try_where_(gaps, 0.0)?.try_sum(1)?.try_div(classes)?;
        reduced(losses, self.reduction)
    }
}

/// For each sample the mean over classes of the binary cross-entropy of its logits: several classes may be right.
#[track_caller]
pub fn multilabel_soft_margin_loss(logits: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    let losses = || {
        let each = super::BinaryCrossEntropy::new().reduction(Reduction::None);
        each.try_forward(logits, target)?.try_mean(-1)
    };
    finish(losses(), reduction)
}

/// For each sample `Σ max(0, 1 − score of a right class + score of a wrong one) / classes`. `labels` are the right
/// classes, `[batch, classes]`, filled up with −1.
#[track_caller]
pub fn multilabel_margin_loss(scores: &Tensor, labels: &Tensor, reduction: Reduction) -> Tensor {
    finish(multilabel_margins(scores, labels), reduction)
}

fn multilabel_margins(scores: &Tensor, labels: &Tensor) -> Result<Tensor> {
    same_shape("multilabel_margin_loss", scores, labels)?;
    let [batch, classes] = scores.shape()[..] else {
        let message = format!("needs scores of shape [batch, classes], got {}", scores.shape());
        return Err(Error::op("multilabel_margin_loss", message));
    };
    // What follows the first −1 does not count.
    let mut right = vec![false; batch * classes];
    for (sample, labels) in labels.to_dtype(DType::I64).to_vec::<i64>().chunks(classes.max(1)).enumerate() {
        for &label in labels.iter().take_while(|label| **label >= 0) {
            if label as usize >= classes {
                let message = format!("got label {label} for sample {sample}, but there are {classes} classes");
                return Err(Error::op("multilabel_margin_loss", message));
            }
            right[sample * classes + label as usize] = true;
        }
    }
    let right = Tensor::from_vec(right, [batch, classes]);
    let (own, other) = (scores.try_unsqueeze(2)?, scores.try_unsqueeze(1)?);
    let gaps = other.try_sub(own)?.try_add(1.0)?.try_clamp_min(0.0)?;
    let pairs = right.try_unsqueeze(2)?.try_logical_and(&right.try_unsqueeze(1)?.try_logical_not()?)?;
    pairs.try_where_(gaps, 0.0)?.try_sum([1, 2])?.try_div(classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("multi_margin", |a, x| {
            let mut loss = MultiMargin::new().p(a.integer("p") as i64).margin(a.float("margin"));
            loss.weight = x.get(2).cloned();
            loss.reduction(reduction(a)).forward(&x[0], &x[1])
        });
        compare("multilabel_margin", |a, x| multilabel_margin_loss(&x[0], &x[1], reduction(a)));
        compare("multilabel_soft_margin", |a, x| multilabel_soft_margin_loss(&x[0], &x[1], reduction(a)));
    }
}
