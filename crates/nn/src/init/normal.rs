//! Normally distributed values.

use super::{Initialiser, next_key};
use hadal_core::{Shape, Tensor};
use hadal_kernels::random;

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
    fn draw(&self, shape: &Shape) -> Tensor {
        let (seed, stream) = next_key();
        let mut values = vec![0f32; shape.elements()];
        random::normal_f32(seed, stream, &mut values);
        let (mean, std) = (self.mean as f32, self.std as f32);
        values.iter_mut().for_each(|v| *v = mean + std * *v);
        Tensor::from_vec(values, shape)
    }
}
