//! Squared near the target, absolute far from it (Huber 1964; Girshick, ICCV 2015).

use super::Reduction;
use super::pair::{finish, same_shape};
use hadal_core::{Result, Tensor};

/// `d²/2` where `|d| ≤ delta`, `delta · (|d| − delta/2)` elsewhere, for `d = output − target`.
#[track_caller]
pub fn huber_loss(output: &Tensor, target: &Tensor, delta: f64, reduction: Reduction) -> Tensor {
    finish(huber("huber_loss", output, target, delta), reduction)
}

/// [`huber_loss`] divided by `beta`: slope 1 far from the target; [`l1_loss`](super::l1_loss) for a beta of 0.
#[track_caller]
pub fn smooth_l1_loss(output: &Tensor, target: &Tensor, beta: f64, reduction: Reduction) -> Tensor {
    if beta == 0.0 {
        return super::l1_loss(output, target, reduction);
    }
    finish(huber("smooth_l1_loss", output, target, beta).and_then(|losses| losses.try_div(beta)), reduction)
}

fn huber(name: &str, output: &Tensor, target: &Tensor, delta: f64) -> Result<Tensor> {
    same_shape(name, output, target)?;
    let distance = output.try_sub(target)?.try_abs()?;
    let near = distance.try_square()?.try_mul(0.5)?;
    let far = distance.try_sub(0.5 * delta)?.try_mul(delta)?;
    distance.try_le(delta)?.try_where_(near, far)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("huber", |a, x| huber_loss(&x[0], &x[1], a.float("delta"), reduction(a)));
        compare("smooth_l1", |a, x| smooth_l1_loss(&x[0], &x[1], a.float("beta"), reduction(a)));
    }
}
