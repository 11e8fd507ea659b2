//! The mean squared error.

use super::Reduction;
use super::pair::{finish, same_shape};
use hadal_core::{Result, Tensor};

/// `(output − target)²`
#[track_caller]
pub fn mse_loss(output: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    finish(losses(output, target), reduction)
}

fn losses(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    same_shape("mse_loss", output, target)?;
    output.try_sub(target)?.try_square()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare_cases, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare_cases("mse", |case| case != "broadcast", |a, x| mse_loss(&x[0], &x[1], reduction(a)));
    }

    #[test]
    fn a_column_against_a_vector_is_refused() {
        let text = |a: &[usize], b: &[usize]| losses(&Tensor::zeros(a), &Tensor::zeros(b)).unwrap_err().to_string();
        assert_eq!(
            text(&[32, 1], &[32]),
            "mse_loss needs output and target of one shape, got [32, 1] and [32]; \
             take the output's last axis away: output.squeeze(-1)"
        );
        assert_eq!(
            text(&[32], &[32, 1]),
            "mse_loss needs output and target of one shape, got [32] and [32, 1]; \
             take the target's last axis away: target.squeeze(-1)"
        );
        assert_eq!(text(&[4, 2], &[4, 3]), "mse_loss needs output and target of one shape, got [4, 2] and [4, 3]");
    }
}
