//! Samples that count differently.

use hadal_core::{Error, Tensor};

/// The mean of losses in which sample `i` counts `weights[i]`: `Σ w·loss / Σ w`. The losses are those of a
/// [`Reduction::None`](super::Reduction::None), `[batch, …]`; what follows the batch axis is averaged.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::losses::{Reduction, mse_loss, weighted_mean};
/// let losses = mse_loss(&Tensor::from([1.0f32, 2.0]), &Tensor::from([0.0f32, 0.0]), Reduction::None);
/// assert_eq!(weighted_mean(&losses, &Tensor::from([3.0f32, 1.0])).item::<f32>(), 1.75);
/// ```
#[track_caller]
pub fn weighted_mean(losses: &Tensor, weights: &Tensor) -> Tensor {
    let batch = losses.shape().first().copied().unwrap_or(1);
    if *weights.shape() != [batch] {
        let message = format!("needs one weight per sample, [{batch}], got {}", weights.shape());
        Error::op("weighted_mean", message).raise();
    }
    let per_sample = if losses.rank() > 1 { losses.flatten(1, -1).mean(1) } else { losses.clone() };
    per_sample.mul(weights).sum(..).div(weights.sum(..))
}
