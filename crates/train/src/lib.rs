//! Hadal's training: `compile`, `fit`, `evaluate`, `predict`, callbacks and metrics.
//!
//! The same can be written by hand in ten lines (`examples/s0_cifar10_cnn.rs`); [`Trainer`] adds what every
//! training run needs: validation, logs, a progress bar, early stopping, checkpoints and a clean stop at Ctrl-C.

extern crate hadal_core as hadal;

pub mod callback;
pub mod callbacks;
pub mod checkpoint;
pub mod compress;
pub mod history;
pub mod interrupt;
pub mod metrics;
mod overlap;
mod trainer;

pub use callback::{Callback, State};
pub use history::{Ending, History, Logs};
pub use trainer::{Clip, Compile, Fit, Position, Scores, Trainer};
