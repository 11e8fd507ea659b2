//! The likelihood of counts.

use super::Reduction;
use super::pair::{reduced, same_shape};
use hadal_core::{Result, Tensor, fallible};
use std::f64::consts::TAU;

/// The negative log-likelihood of counts under Poisson distributions: `rate − target · log(rate)`.
#[derive(Clone, Debug)]
pub struct PoissonNll {
    rates: bool,
    full: bool,
    eps: f64,
    reduction: Reduction,
}

impl PoissonNll {
    /// For outputs that are logarithms of rates; the mean, without the constant term.
    pub fn new() -> PoissonNll {
        PoissonNll { rates: false, full: false, eps: 1e-8, reduction: Reduction::Mean }
    }

    /// For outputs that are the rates themselves.
    pub fn rates(self) -> PoissonNll {
        PoissonNll { rates: true, ..self }
    }

    /// Adds Stirling's approximation of `log(target!)` where the target is above 1.
    pub fn full(self) -> PoissonNll {
        PoissonNll { full: true, ..self }
    }

    /// What is added to a rate before its logarithm is taken.
    pub fn eps(self, eps: f64) -> PoissonNll {
        PoissonNll { eps, ..self }
    }

    /// Sum, mean, or one loss per element.
    pub fn reduction(self, reduction: Reduction) -> PoissonNll {
        PoissonNll { reduction, ..self }
    }
}

impl Default for PoissonNll {
    fn default() -> PoissonNll {
        PoissonNll::new()
    }
}

#[fallible]
impl PoissonNll {
    /// The loss.
    pub fn forward(&self, output: &Tensor, target: &Tensor) -> Result<Tensor> {
        same_shape("poisson_nll", output, target)?;
        let mut losses = match self.rates {
            false => output.try_exp()?.try_sub(target.try_mul(output)?)?,
            true => output.try_sub(target.try_mul(output.try_add(self.eps)?.try_log()?)?)?,
        };
        if self.full {
            let half_log = target.try_mul(TAU)?.try_log()?.try_mul(0.5)?;
            let stirling = target.try_xlogy(target)?.try_sub(target)?.try_add(half_log)?;
            losses = losses.try_add(target.try_gt(1.0)?.try_where_(stirling, 0.0)?)?;
        }
        reduced(losses, self.reduction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("poisson_nll", |a, x| {
            let loss = PoissonNll { rates: !a.flag("log_input"), full: a.flag("full"), ..PoissonNll::new() };
            loss.eps(a.float("eps")).reduction(reduction(a)).forward(&x[0], &x[1])
        });
    }
}
