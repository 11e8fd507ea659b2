//! Normally distributed values within bounds.

use super::Initialiser;
use hadal_core::{Shape, Tensor};

/// The normal distribution with what lies beyond two bounds left out.
#[derive(Clone, Copy, Debug)]
pub struct TruncatedNormal {
    mean: f64,
    std: f64,
    low: f64,
    high: f64,
}

impl TruncatedNormal {
    /// Between −2 and 2, as PyTorch's `trunc_normal_`; mean and deviation are those before the cut.
    pub fn new(mean: f64, std: f64) -> TruncatedNormal {
        TruncatedNormal { mean, std, low: -2.0, high: 2.0 }
    }

    /// Between these bounds.
    pub fn between(self, low: f64, high: f64) -> TruncatedNormal {
        TruncatedNormal { low, high, ..self }
    }
}

impl Initialiser for TruncatedNormal {
    #[track_caller]
    fn draw(&self, shape: &Shape) -> Tensor {
        Tensor::truncated_normal(shape, self.mean, self.std, [self.low, self.high])
    }
}
