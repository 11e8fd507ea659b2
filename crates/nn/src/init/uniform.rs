//! Uniformly distributed values.

use super::Initialiser;
use hadal_core::{Shape, Tensor};

/// Uniform between two bounds.
#[derive(Clone, Copy, Debug)]
pub struct Uniform {
    /// The least value.
    pub low: f64,
    /// The limit that is not reached.
    pub high: f64,
}

impl Uniform {
    /// Between `low` and `high`.
    pub fn new(low: f64, high: f64) -> Uniform {
        Uniform { low, high }
    }
}

impl Initialiser for Uniform {
    #[track_caller]
    fn draw(&self, shape: &Shape) -> Tensor {
        Tensor::uniform(shape, self.low, self.high)
    }
}
