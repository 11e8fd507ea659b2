//! How much two masks overlap, for segmentation.

use super::Reduction;
use super::pair::{reduced, same_shape};
use hadal_core::{Result, Tensor, fallible};

/// `1 − (2·|p ∩ t| + smooth) / (|p| + |t| + smooth)` per sample, for probabilities and targets `[batch, …]`
/// (Milletari, Navab and Ahmadi, 3DV 2016, arXiv:1606.04797, without squares).
#[derive(Clone, Debug)]
pub struct DiceLoss {
    smooth: f64,
    reduction: Reduction,
}

impl DiceLoss {
    /// A smoothing term of 1, the mean over samples.
    pub fn new() -> DiceLoss {
        DiceLoss { smooth: 1.0, reduction: Reduction::Mean }
    }

    /// What keeps two empty masks from a division by zero.
    pub fn smooth(self, smooth: f64) -> DiceLoss {
        DiceLoss { smooth, ..self }
    }

    /// Sum, mean, or one loss per sample.
    pub fn reduction(self, reduction: Reduction) -> DiceLoss {
        DiceLoss { reduction, ..self }
    }
}

impl Default for DiceLoss {
    fn default() -> DiceLoss {
        DiceLoss::new()
    }
}

#[fallible]
impl DiceLoss {
    /// The loss.
    pub fn forward(&self, probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        same_shape("dice_loss", probabilities, target)?;
        let (p, t) = (per_sample(probabilities)?, per_sample(target)?);
        let overlap = p.try_mul(&t)?.try_sum(1)?.try_mul(2.0)?.try_add(self.smooth)?;
        let sizes = p.try_sum(1)?.try_add(t.try_sum(1)?)?.try_add(self.smooth)?;
        reduced(overlap.try_div(sizes)?.try_neg()?.try_add(1.0)?, self.reduction)
    }
}

/// `1 − (tp + smooth) / (tp + alpha·fp + beta·fn + smooth)` per sample: Dice with a price for each kind of mistake
/// (Salehi, Erdogmus and Gholipour 2017, arXiv:1706.05721).
#[derive(Clone, Debug)]
pub struct TverskyLoss {
    alpha: f64,
    beta: f64,
    smooth: f64,
    reduction: Reduction,
}

impl TverskyLoss {
    /// `alpha` weighs false positives, `beta` false negatives; halves are Dice.
    pub fn new(alpha: f64, beta: f64) -> TverskyLoss {
        TverskyLoss { alpha, beta, smooth: 1.0, reduction: Reduction::Mean }
    }

    /// What keeps two empty masks from a division by zero.
    pub fn smooth(self, smooth: f64) -> TverskyLoss {
        TverskyLoss { smooth, ..self }
    }

    /// Sum, mean, or one loss per sample.
    pub fn reduction(self, reduction: Reduction) -> TverskyLoss {
        TverskyLoss { reduction, ..self }
    }
}

#[fallible]
impl TverskyLoss {
    /// The loss.
    pub fn forward(&self, probabilities: &Tensor, target: &Tensor) -> Result<Tensor> {
        same_shape("tversky_loss", probabilities, target)?;
        let (p, t) = (per_sample(probabilities)?, per_sample(target)?);
        let found = p.try_mul(&t)?.try_sum(1)?;
        let wrong = p.try_sum(1)?.try_sub(&found)?.try_mul(self.alpha)?;
        let missed = t.try_sum(1)?.try_sub(&found)?.try_mul(self.beta)?;
        let found = found.try_add(self.smooth)?;
        let index = found.try_div(found.try_add(wrong)?.try_add(missed)?)?;
        reduced(index.try_neg()?.try_add(1.0)?, self.reduction)
    }
}

fn per_sample(x: &Tensor) -> Result<Tensor> {
    if x.rank() == 1 { x.try_unsqueeze(1) } else { x.try_flatten(1, -1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_the_papers_say() {
        compare("dice", |a, x| {
            DiceLoss::new().smooth(a.float("smooth_term")).reduction(reduction(a)).forward(&x[0], &x[1])
        });
        compare("tversky", |a, x| {
            let loss = TverskyLoss::new(a.float("alpha"), a.float("beta")).smooth(a.float("smooth_term"));
            loss.reduction(reduction(a)).forward(&x[0], &x[1])
        });
    }
}
