//! Cross-entropy that turns to the hard examples (Lin et al., ICCV 2017, arXiv:1708.02002, equation 5).

use super::Reduction;
use super::pair::{reduced, same_shape};
use hadal_core::{Result, Tensor, fallible};

/// `−alpha_t · (1 − p_t)^gamma · log(p_t)` for binary targets, from logits, where `p_t` is the probability given to what
/// is true.
#[derive(Clone, Debug)]
pub struct FocalLoss {
    alpha: Option<f64>,
    gamma: f64,
    reduction: Reduction,
}

impl FocalLoss {
    /// Alpha 0.25 and gamma 2, the mean.
    pub fn new() -> FocalLoss {
        FocalLoss { alpha: Some(0.25), gamma: 2.0, reduction: Reduction::Mean }
    }

    /// How much a yes counts (a no counts `1 − alpha`); `None` for no balance.
    pub fn alpha(self, alpha: impl Into<Option<f64>>) -> FocalLoss {
        FocalLoss { alpha: alpha.into(), ..self }
    }

    /// How fast easy examples lose their weight; 0 for none.
    pub fn gamma(self, gamma: f64) -> FocalLoss {
        FocalLoss { gamma, ..self }
    }

    /// Sum, mean, or one loss per element.
    pub fn reduction(self, reduction: Reduction) -> FocalLoss {
        FocalLoss { reduction, ..self }
    }
}

impl Default for FocalLoss {
    fn default() -> FocalLoss {
        FocalLoss::new()
    }
}

#[fallible]
impl FocalLoss {
    /// The loss.
    pub fn forward(&self, logits: &Tensor, target: &Tensor) -> Result<Tensor> {
        same_shape("focal_loss", logits, target)?;
        let target = target.try_to_dtype(logits.dtype())?;
        let entropy = super::BinaryCrossEntropy::new().reduction(Reduction::None).try_forward(logits, &target)?;
        let p = logits.try_sigmoid()?;
        // 1 − p_t = p + t − 2·p·t
        let missed = p.try_add(&target)?.try_sub(p.try_mul(&target)?.try_mul(2.0)?)?;
        let mut losses = missed.try_pow(self.gamma)?.try_mul(entropy)?;
        if let Some(alpha) = self.alpha {
            let balance = target.try_mul(2.0 * alpha - 1.0)?.try_add(1.0 - alpha)?;
            losses = losses.try_mul(balance)?;
        }
        reduced(losses, self.reduction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_the_paper_says() {
        compare("focal", |a, x| {
            let alpha = Some(a.float("alpha")).filter(|alpha| *alpha >= 0.0);
            let loss = FocalLoss::new().alpha(alpha).gamma(a.float("gamma"));
            loss.reduction(reduction(a)).forward(&x[0], &x[1])
        });
    }
}
