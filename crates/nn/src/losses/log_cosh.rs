//! The logarithm of the hyperbolic cosine: a Huber loss without a seam.

use super::Reduction;
use super::pair::{finish, same_shape};
use hadal_core::{Result, Tensor};
use std::f64::consts::LN_2;

/// `log(cosh(output − target))`, which is about `d²/2` near the target and `|d| − log 2` far from it.
#[track_caller]
pub fn log_cosh_loss(output: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    finish(losses(output, target), reduction)
}

/// As `|d| + log(1 + e^(−2|d|)) − log 2`, which cannot overflow.
fn losses(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    same_shape("log_cosh_loss", output, target)?;
    let distance = output.try_sub(target)?.try_abs()?;
    distance.try_add(distance.try_mul(-2.0)?.try_exp()?.try_log1p()?)?.try_sub(LN_2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_the_formula_says() {
        compare("log_cosh", |a, x| log_cosh_loss(&x[0], &x[1], reduction(a)));
    }
}
