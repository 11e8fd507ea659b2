//! Uniformly distributed values.

use super::{Initialiser, next_key};
use hadal_core::{Shape, Tensor};
use hadal_kernels::random;

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
    fn draw(&self, shape: &Shape) -> Tensor {
        let (seed, stream) = next_key();
        let mut values = vec![0f32; shape.elements()];
        random::uniform_f32(seed, stream, &mut values);
        let (low, width) = (self.low as f32, (self.high - self.low) as f32);
        values.iter_mut().for_each(|v| *v = low + width * *v);
        Tensor::from_vec(values, shape)
    }
}
