//! Distances of like and unlike pairs (Hadsell, Chopra and LeCun, CVPR 2006).

use super::Reduction;
use super::pair::{finish, same_shape};
use hadal_core::Tensor;

/// `distance²` where `same` is 1, `max(0, margin − distance)²` where it is 0; halved, as in the paper.
#[track_caller]
pub fn contrastive_loss(distance: &Tensor, same: &Tensor, margin: f64, reduction: Reduction) -> Tensor {
    let losses = || {
        same_shape("contrastive_loss", distance, same)?;
        let apart = distance.try_neg()?.try_add(margin)?.try_clamp_min(0.0)?;
        same.try_eq(0)?.try_where_(apart, distance)?.try_square()?.try_mul(0.5)
    };
    finish(losses(), reduction)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the formula by hand.
    #[test]
    fn pulls_and_pushes() {
        let distance = Tensor::from([0.5f64, 0.5, 3.0]);
        let loss = contrastive_loss(&distance, &Tensor::from([1i64, 0, 0]), 2.0, Reduction::None);
        assert_eq!(loss.to_vec::<f64>(), [0.125, 1.125, 0.0]);
    }
}
