//! Normally distributed values.

use super::Initialiser;
use hadal_core::{Shape, Tensor};

/// The normal distribution.
#[derive(Clone, Copy, Debug)]
pub struct Normal {
    /// The mean.
    pub mean: f64,
    /// The standard deviation.
    pub std: f64,
}

impl Normal {
    /// Of this mean and standard deviation.
    pub fn new(mean: f64, std: f64) -> Normal {
        Normal { mean, std }
    }
}

impl Initialiser for Normal {
    #[track_caller]
    fn draw(&self, shape: &Shape) -> Tensor {
        Tensor::normal(shape, self.mean, self.std)
    }
}
