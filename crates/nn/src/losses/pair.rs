//! What all losses share: the check of a pair of shapes, and the reduction to one number.

use super::Reduction;
use hadal_core::{Error, Result, Tensor};

/// Refuses an output and a target of different shapes.
pub(super) fn same_shape(loss: &str, output: &Tensor, target: &Tensor) -> Result<()> {
    let (a, b) = (output.shape(), target.shape());
    if a == b {
        return Ok(());
    }
    let squeezed = |long: &[usize], short: &[usize]| long.split_last() == Some((&1, short));
    let fix = if squeezed(a, b) {
        "; take the output's last axis away: output.squeeze(-1)"
    } else if squeezed(b, a) {
        "; take the target's last axis away: target.squeeze(-1)"
    } else {
        ""
    };
    Err(Error::op(loss, format!("needs output and target of one shape, got {a} and {b}{fix}")))
}

/// One loss per element as asked for.
pub(super) fn reduced(losses: Tensor, reduction: Reduction) -> Result<Tensor> {
    match reduction {
        Reduction::None => Ok(losses),
        Reduction::Sum => losses.try_sum(..),
        Reduction::Mean => losses.try_mean(..),
    }
}

/// The reduced losses, or a panic at the line of the loss's caller.
#[track_caller]
pub(super) fn finish(losses: Result<Tensor>, reduction: Reduction) -> Tensor {
    match losses.and_then(|losses| reduced(losses, reduction)) {
        Ok(loss) => loss,
        Err(error) => error.raise(),
    }
}
