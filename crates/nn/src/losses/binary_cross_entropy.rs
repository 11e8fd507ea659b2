//! Cross-entropy of yes and no.

use super::Reduction;
use super::pair::{finish, reduced, same_shape};
use hadal_core::{Error, Result, Tensor, fallible};

/// `−target · log(p) − (1 − target) · log(1 − p)` for probabilities `p`; logarithms end at −100, as in PyTorch.
/// From logits, [`BinaryCrossEntropy`] is exact where a probability rounds to 0 or 1.
#[track_caller]
pub fn binary_cross_entropy(probabilities: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    finish(of_probabilities(probabilities, target), reduction)
}

/// [`BinaryCrossEntropy`] without options: the mean.
#[track_caller]
pub fn binary_cross_entropy_with_logits(logits: &Tensor, target: &Tensor) -> Tensor {
    BinaryCrossEntropy::new().forward(logits, target)
}

fn of_probabilities(p: &Tensor, target: &Tensor) -> Result<Tensor> {
    same_shape("binary_cross_entropy", p, target)?;
    let outside = p.to_f64_vec().into_iter().find(|value| !((0.0..=1.0).contains(value) || value.is_nan()));
    if let Some(value) = outside {
        let message =
            format!("needs probabilities from 0 to 1, got {value}; logits go to binary_cross_entropy_with_logits");
        return Err(Error::op("binary_cross_entropy", message));
    }
    let yes = target.try_mul(p.try_log()?.try_clamp_min(-100.0)?)?;
    let no = target.try_mul(-1.0)?.try_add(1.0)?.try_mul(p.try_neg()?.try_log1p()?.try_clamp_min(-100.0)?)?;
    yes.try_add(no)?.try_neg()
}

/// Binary cross-entropy from logits: each element is a question of its own.
#[derive(Clone, Debug, Default)]
pub struct BinaryCrossEntropy {
    weight: Option<Tensor>,
    positive_weight: Option<Tensor>,
    reduction: Reduction,
}

impl BinaryCrossEntropy {
    /// The mean, all elements counting the same.
    pub fn new() -> BinaryCrossEntropy {
        BinaryCrossEntropy::default()
    }

    /// How much each element counts; broadcasts to the logits.
    pub fn weight(self, weight: Tensor) -> BinaryCrossEntropy {
        BinaryCrossEntropy { weight: Some(weight), ..self }
    }

    /// How much more a yes counts than a no, per question (the last axis).
    pub fn positive_weight(self, weight: Tensor) -> BinaryCrossEntropy {
        BinaryCrossEntropy { positive_weight: Some(weight), ..self }
    }

    /// Sum, mean, or one loss per element.
    pub fn reduction(self, reduction: Reduction) -> BinaryCrossEntropy {
        BinaryCrossEntropy { reduction, ..self }
    }
}

#[fallible]
impl BinaryCrossEntropy {
    /// The loss.
    pub fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        if let ([n, classes], [m]) = (&logits.shape()[..], &target.shape()[..])
            && n == m
            && *classes > 1
        {
            let message = format!(
                "needs a yes or no for each of {classes} questions, {}, got {}; for one class of {classes} use \
                 cross_entropy",
                logits.shape(),
                target.shape()
            );
            return Err(Error::op("binary_cross_entropy_with_logits", message));
        }
        same_shape("binary_cross_entropy_with_logits", logits, target)?;
        let target = target.try_to_dtype(logits.dtype())?;
        // (1 − t)·x − (1 + (w − 1)·t)·log σ(x)
        let no = target.try_neg()?.try_add(1.0)?.try_mul(logits)?;
        let yes = logits.try_logsigmoid()?;
        let yes = match &self.positive_weight {
            Some(weight) => yes.try_mul(weight.try_sub(1.0)?.try_mul(&target)?.try_add(1.0)?)?,
            None => yes,
        };
        let losses = no.try_sub(yes)?;
        let losses = if let Some(weight) = &self.weight { losses.try_mul(weight)? } else { losses };
        reduced(losses, self.reduction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("bce", |a, x| match x.get(2) {
            Some(weight) => finish(of_probabilities(&x[0], &x[1]).and_then(|l| l.try_mul(weight)), reduction(a)),
            None => binary_cross_entropy(&x[0], &x[1], reduction(a)),
        });
        compare("bce_with_logits", |a, x| {
            let mut loss = BinaryCrossEntropy::new().reduction(reduction(a));
            loss.weight = x.get(2).cloned();
            loss.positive_weight = x.get(3).cloned();
            loss.forward(&x[0], &x[1])
        });
    }
}
