//! Losses that stop at a margin, for targets of −1 and 1.

use super::Reduction;
use super::pair::{finish, same_shape};
use hadal_core::{Result, Tensor};

/// `max(0, 1 − target · output)`: the loss of support vector machines.
#[track_caller]
pub fn hinge_loss(output: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    let losses = || {
        same_shape("hinge_loss", output, target)?;
        output.try_mul(target)?.try_neg()?.try_add(1.0)?.try_clamp_min(0.0)
    };
    finish(losses(), reduction)
}

/// A distance where the target is 1, `max(0, margin − distance)` where it is −1.
#[track_caller]
pub fn hinge_embedding_loss(distance: &Tensor, target: &Tensor, margin: f64, reduction: Reduction) -> Tensor {
    let losses = || {
        same_shape("hinge_embedding_loss", distance, target)?;
        let apart = distance.try_neg()?.try_add(margin)?.try_clamp_min(0.0)?;
        let near = target.try_eq(1)?.try_where_(distance, 0.0)?;
        near.try_add(target.try_eq(-1)?.try_where_(apart, 0.0)?)
    };
    finish(losses(), reduction)
}

/// `max(0, margin − target · (a − b))`: `a` should be larger where the target is 1, smaller where it is −1.
#[track_caller]
pub fn margin_ranking_loss(a: &Tensor, b: &Tensor, target: &Tensor, margin: f64, reduction: Reduction) -> Tensor {
    let losses = || {
        same_shape("margin_ranking_loss", a, b)?;
        same_shape("margin_ranking_loss", a, target)?;
        a.try_sub(b)?.try_mul(target)?.try_neg()?.try_add(margin)?.try_clamp_min(0.0)
    };
    finish(losses(), reduction)
}

/// `log(1 + e^(−target · output))`
#[track_caller]
pub fn soft_margin_loss(output: &Tensor, target: &Tensor, reduction: Reduction) -> Tensor {
    let losses = || -> Result<Tensor> {
        same_shape("soft_margin_loss", output, target)?;
        output.try_mul(target)?.try_logsigmoid()?.try_neg()
    };
    finish(losses(), reduction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("hinge_embedding", |a, x| hinge_embedding_loss(&x[0], &x[1], a.float("margin"), reduction(a)));
        compare("margin_ranking", |a, x| margin_ranking_loss(&x[0], &x[1], &x[2], a.float("margin"), reduction(a)));
        compare("soft_margin", |a, x| soft_margin_loss(&x[0], &x[1], reduction(a)));
    }

    #[test]
    fn the_hinge_ends_at_the_margin() {
        let (output, target) = (Tensor::from([0.5f64, 2.0, -0.25]), Tensor::from([1.0f64, 1.0, -1.0]));
        assert_eq!(hinge_loss(&output, &target, Reduction::None).to_vec::<f64>(), [0.5, 0.0, 0.75]);
    }
}
