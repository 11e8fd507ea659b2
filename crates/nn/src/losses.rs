//! Losses: how far an output is from a target.
//!
//! Those with few options are functions, named as in PyTorch; the others are structs whose `forward` takes output and
//! target. Output and target must have one shape: a column `[batch, 1]` against a vector `[batch]` is refused, because
//! broadcasting would compare every sample with every other.
//!
//! ```
//! use hadal_core::Tensor;
//! use hadal_nn::losses::{CrossEntropy, cross_entropy};
//! let (logits, labels) = (Tensor::from([[2.0f32, 0.5], [0.1, 0.3]]), Tensor::from([0i64, 1]));
//! let loss = cross_entropy(&logits, &labels);
//! let smoothed = CrossEntropy::new().label_smoothing(0.1).forward(&logits, &labels);
//! assert!(smoothed.item::<f32>() > loss.item::<f32>());
//! ```

mod binary_cross_entropy;
mod contrastive;
mod cosine_embedding;
mod cross_entropy;
mod distillation;
mod focal;
mod gaussian_nll;
mod hinge;
mod huber;
mod kl_divergence;
mod l1;
mod log_cosh;
mod margin;
mod mse;
mod overlap;
mod pair;
mod poisson_nll;
#[cfg(test)]
mod recorded;
mod sample_weights;
mod triplet_margin;

pub use binary_cross_entropy::{BinaryCrossEntropy, binary_cross_entropy, binary_cross_entropy_with_logits};
pub use contrastive::contrastive_loss;
pub use cosine_embedding::cosine_embedding_loss;
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use distillation::Distillation;
pub use focal::FocalLoss;
pub use gaussian_nll::GaussianNll;
pub use hadal_core::Reduction;
pub use hinge::{hinge_embedding_loss, hinge_loss, margin_ranking_loss, soft_margin_loss};
pub use huber::{huber_loss, smooth_l1_loss};
pub use kl_divergence::KlDivergence;
pub use l1::l1_loss;
pub use log_cosh::log_cosh_loss;
pub use margin::{MultiMargin, multilabel_margin_loss, multilabel_soft_margin_loss};
pub use mse::mse_loss;
pub use overlap::{DiceLoss, TverskyLoss};
pub use poisson_nll::PoissonNll;
pub use sample_weights::weighted_mean;
pub use triplet_margin::TripletMargin;
