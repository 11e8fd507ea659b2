//! Losses: how far an output is from a target.
//!
//! A loss without options is a function; one with options is a struct whose `forward` takes output and target.
//!
//! ```
//! use hadal_core::Tensor;
//! use hadal_nn::losses::{CrossEntropy, cross_entropy};
//! let (logits, labels) = (Tensor::from([[2.0f32, 0.5], [0.1, 0.3]]), Tensor::from([0i64, 1]));
//! let loss = cross_entropy(&logits, &labels);
//! let smoothed = CrossEntropy::new().label_smoothing(0.1).forward(&logits, &labels);
//! assert!(smoothed.item::<f32>() > loss.item::<f32>());
//! ```

mod cross_entropy;
#[cfg(test)]
mod recorded;

pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use hadal_core::Reduction;
