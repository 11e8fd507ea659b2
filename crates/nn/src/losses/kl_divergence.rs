//! The divergence of two distributions (Kullback and Leibler 1951).

use super::Reduction;
use super::pair::{reduced, same_shape};
use hadal_core::{Result, Tensor, fallible};

/// `target · (log(target) − output)`, where the output holds log-probabilities.
#[derive(Clone, Debug, Default)]
pub struct KlDivergence {
    log_target: bool,
    batch_mean: bool,
    reduction: Reduction,
}

impl KlDivergence {
    /// The sum divided by the number of samples, which is the mathematical definition.
    pub fn new() -> KlDivergence {
        KlDivergence { batch_mean: true, ..KlDivergence::default() }
    }

    /// For targets that are log-probabilities too.
    pub fn log_target(self) -> KlDivergence {
        KlDivergence { log_target: true, ..self }
    }

    /// Sum, mean over all elements, or one number per element.
    pub fn reduction(self, reduction: Reduction) -> KlDivergence {
        KlDivergence { reduction, batch_mean: false, ..self }
    }
}

#[fallible]
impl KlDivergence {
    /// The loss.
    pub fn forward(&self, output: &Tensor, target: &Tensor) -> Result<Tensor> {
        same_shape("kl_divergence", output, target)?;
        let losses = match self.log_target {
            true => target.try_exp()?.try_mul(target.try_sub(output)?)?,
            false => target.try_xlogy(target)?.try_sub(target.try_mul(output)?)?,
        };
        match self.batch_mean {
            true => losses.try_sum(..)?.try_div(output.shape().first().copied().unwrap_or(1)),
            false => reduced(losses, self.reduction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("kl_div", |a, x| {
            let loss = KlDivergence { log_target: a.flag("log_target"), ..KlDivergence::new() };
            let loss = if a.text("reduction") == "batchmean" { loss } else { loss.reduction(reduction(a)) };
            loss.forward(&x[0].log_softmax(1), &x[1])
        });
    }
}
