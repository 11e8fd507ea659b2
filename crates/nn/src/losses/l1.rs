//! The mean absolute error.

use super::Reduction;
use super::pair::{finish, same_shape};
use hadal_core::{Result, Tensor};

/// `|output − target|`
#[track_caller]
pub fn l1_loss(output: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    finish(losses(output, target), reduction)
}

fn losses(output: &Tensor, target: &Tensor) -> Result<Tensor> {
    same_shape("l1_loss", output, target)?;
    output.try_sub(target)?.try_abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("l1", |a, x| l1_loss(&x[0], &x[1], reduction(a)));
    }
}
