//! Optimizers: a [`Rule`] is one update formula with its settings, an [`Optimizer`] applies rules to parameters.
//!
//! ```
//! use hadal_core::{Param, Tensor};
//! use hadal_nn::optim::{Rule, Sgd};
//! let weight = Param::new(Tensor::from([1.0f32, -2.0]));
//! let optimizer = Sgd::new(0.1).momentum(0.9).optimize([weight.clone()]);
//! let loss = (weight.get() * weight.get()).sum(..);
//! optimizer.step(&loss.backward()).unwrap();
//! assert_eq!(weight.get().to_vec::<f32>(), [0.8, -1.6]);
//! ```
//!
//! The formulas, their defaults and the names of what they keep beside a parameter are PyTorch's.

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod adamw;
mod asgd;
mod average;
mod clip;
mod lamb;
mod lbfgs;
mod lion;
mod muon;
mod nadam;
mod norm;
mod optimizer;
mod pass;
mod radam;
mod rmsprop;
mod rprop;
mod rule;
mod sgd;
#[cfg(test)]
mod trajectory;
mod wolfe;

pub use adadelta::Adadelta;
pub use adafactor::Adafactor;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use adamw::AdamW;
pub use asgd::Asgd;
pub use average::Average;
pub use clip::{clip_by_global_norm, clip_by_global_norm_of, clip_by_norm, clip_by_value};
pub use lamb::Lamb;
pub use lbfgs::Lbfgs;
pub use lion::Lion;
pub use muon::{Muon, MuonScaling};
pub use nadam::NAdam;
pub use norm::Norm;
pub use optimizer::{Group, Optimizer};
pub use radam::RAdam;
pub use rmsprop::RmsProp;
pub use rprop::Rprop;
pub use rule::{Moment, Real, Rule, Slot};
pub use sgd::Sgd;
