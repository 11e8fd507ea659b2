//! The likelihood of numbers with a predicted variance (Nix and Weigend 1994).

use super::Reduction;
use super::pair::{reduced, same_shape};
use hadal_core::{Result, Tensor, fallible};
use std::f64::consts::TAU;

/// The negative log-likelihood under normal distributions: `(log(variance) + (output − target)² / variance) / 2`.
#[derive(Clone, Debug)]
pub struct GaussianNll {
    full: bool,
    eps: f64,
    reduction: Reduction,
}

impl GaussianNll {
    /// The mean, without the constant term; variances below 1e-6 count as 1e-6.
    pub fn new() -> GaussianNll {
        GaussianNll { full: false, eps: 1e-6, reduction: Reduction::Mean }
    }

    /// Adds the constant `log(2π) / 2`.
    pub fn full(self) -> GaussianNll {
        GaussianNll { full: true, ..self }
    }

    /// The least variance.
    pub fn eps(self, eps: f64) -> GaussianNll {
        GaussianNll { eps, ..self }
    }

    /// Sum, mean, or one loss per element.
    pub fn reduction(self, reduction: Reduction) -> GaussianNll {
        GaussianNll { reduction, ..self }
    }
}

impl Default for GaussianNll {
    fn default() -> GaussianNll {
        GaussianNll::new()
    }
}

#[fallible]
impl GaussianNll {
    /// The loss; `variance` has the output's shape or broadcasts to it.
    pub fn forward(&self, output: &Tensor, target: &Tensor, variance: &Tensor) -> Result<Tensor> {
        same_shape("gaussian_nll", output, target)?;
        // The bound changes the value, not the gradient, so that a collapsed variance can recover.
        let raised = variance.detach().try_clamp_min(self.eps)?.try_sub(variance.detach())?;
        let variance = variance.try_add(raised)?;
        let losses = variance.try_log()?.try_add(output.try_sub(target)?.try_square()?.try_div(&variance)?)?;
        let losses = losses.try_mul(0.5)?;
        let losses = if self.full { losses.try_add(0.5 * libm::log(TAU))? } else { losses };
        reduced(losses, self.reduction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("gaussian_nll", |a, x| {
            let loss = GaussianNll { full: a.flag("full"), ..GaussianNll::new() };
            loss.eps(a.float("eps")).reduction(reduction(a)).forward(&x[0], &x[1], &x[2])
        });
    }
}
