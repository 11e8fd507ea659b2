//! Learning-rate schedules: the rate as a function of the step.
//!
//! A schedule holds no state (only [`ReduceLrOnPlateau`] does, which follows a metric), so resuming at any step needs
//! nothing but the step's number. Apply one with [`Optimizer::follow`](crate::optim::Optimizer::follow):
//!
//! ```
//! use hadal_nn::schedules::{CosineAnnealing, LinearLr, Schedule};
//! let schedule = LinearLr::warmup(10).then(10, CosineAnnealing::new(90));
//! assert_eq!(schedule.lr(0.1, 10), 0.1);
//! assert!(schedule.lr(0.1, 100) < 1e-9);
//! ```
//!
//! Formulas and defaults are those of `torch.optim.lr_scheduler`.

mod chained;
mod constant;
mod cosine;
mod cosine_restarts;
mod cyclic;
mod exponential;
mod inverse;
mod lambda;
mod linear;
mod multi_step;
mod multiplicative;
mod one_cycle;
mod plateau;
mod polynomial;
#[cfg(test)]
mod recorded;
mod schedule;
mod sequential;
mod step;
mod swa;

pub use chained::ChainedLr;
pub use constant::ConstantLr;
pub use cosine::CosineAnnealing;
pub use cosine_restarts::CosineWarmRestarts;
pub use cyclic::{CyclicLr, Envelope};
pub use exponential::ExponentialLr;
pub use inverse::{InverseSquareRootLr, InverseTimeLr};
pub use lambda::LambdaLr;
pub use linear::LinearLr;
pub use multi_step::MultiStepLr;
pub use multiplicative::MultiplicativeLr;
pub use one_cycle::OneCycleLr;
pub use plateau::{Goal, ReduceLrOnPlateau, Threshold};
pub use polynomial::PolynomialLr;
pub use schedule::{Anneal, Schedule};
pub use sequential::SequentialLr;
pub use step::StepLr;
pub use swa::SwaLr;
