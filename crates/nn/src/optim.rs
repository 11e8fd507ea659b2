//! Optimizers: a [`Rule`] is one update formula with its settings, an [`Optimizer`] applies rules to parameters.
//!
//! ```
//! use hadal_core::{Param, Tensor};
//! use hadal_nn::optim::{Rule, Sgd};
//! let weight = Param::new(Tensor::from([1.0f32, -2.0]));
//! let mut optimizer = Sgd::new(0.1).momentum(0.9).optimize([weight.clone()]);
//! let loss = (weight.get() * weight.get()).sum(..);
//! optimizer.step(&loss.backward()).unwrap();
//! assert_eq!(weight.get().to_vec::<f32>(), [0.8, -1.6]);
//! ```
//!
//! The formulas, their defaults and the names of what they keep beside a parameter are PyTorch's.

mod adadelta;
mod adagrad;
mod adam;
mod adamax;
mod adamw;
mod lion;
mod nadam;
mod optimizer;
mod radam;
mod rmsprop;
mod rule;
mod sgd;
#[cfg(test)]
mod trajectory;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adamax::Adamax;
pub use adamw::AdamW;
pub use lion::Lion;
pub use nadam::NAdam;
pub use optimizer::{Group, Optimizer};
pub use radam::RAdam;
pub use rmsprop::RmsProp;
pub use rule::{Moment, Real, Rule, Slot};
pub use sgd::Sgd;
