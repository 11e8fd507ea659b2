//! Angles between pairs of vectors.

use super::Reduction;
use super::pair::{finish, same_shape};
use hadal_core::{Result, Tensor};

/// What keeps a zero vector from a division by zero.
const EPS: f64 = 1e-12;

/// `1 − cos(a, b)` where the target is 1, `max(0, cos(a, b) − margin)` where it is −1. `a` and `b` are
/// `[batch, features]`, the target `[batch]`.
#[track_caller]
pub fn cosine_embedding_loss(a: &Tensor, b: &Tensor, target: &Tensor, margin: f64, reduction: Reduction) -> Tensor {
    finish(losses(a, b, target, margin), reduction)
}

fn losses(a: &Tensor, b: &Tensor, target: &Tensor, margin: f64) -> Result<Tensor> {
    same_shape("cosine_embedding_loss", a, b)?;
    let size = |x: &Tensor| x.try_square()?.try_sum(-1)?.try_add(EPS);
    let cosine = a.try_mul(b)?.try_sum(-1)?.try_div(size(a)?.try_mul(size(b)?)?.try_sqrt()?)?;
    same_shape("cosine_embedding_loss", &cosine, target)?;
    let (near, apart) = (cosine.try_neg()?.try_add(1.0)?, cosine.try_sub(margin)?.try_clamp_min(0.0)?);
    target.try_eq(1)?.try_where_(near, target.try_eq(-1)?.try_where_(apart, 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::{compare, reduction};

    #[test]
    fn computes_what_pytorch_computes() {
        compare("cosine_embedding", |a, x| cosine_embedding_loss(&x[0], &x[1], &x[2], a.float("margin"), reduction(a)));
    }
}
