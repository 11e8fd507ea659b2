//! Normally distributed values within bounds.

use super::{Initialiser, next_key};
use hadal_core::{Shape, Tensor};
use hadal_kernels::random;
use std::f64::consts::SQRT_2;

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
    /// By the inverse of the distribution function, from uniform numbers between its values at the bounds.
    fn draw(&self, shape: &Shape) -> Tensor {
        let (seed, stream) = next_key();
        let mut uniform = vec![0f64; shape.elements()];
        random::uniform_f64(seed, stream, &mut uniform);
        // erf at a bound is twice the distribution function there, less 1.
        let at = |bound: f64| libm::erf((bound - self.mean) / (self.std * SQRT_2));
        let (low, width) = (at(self.low), at(self.high) - at(self.low));
        uniform.iter_mut().for_each(|u| *u = low + width * *u);
        let values = Tensor::from_vec(uniform, shape).erfinv().to_vec::<f64>();
        let scaled = values.iter().map(|v| (self.mean + self.std * SQRT_2 * v).clamp(self.low, self.high) as f32);
        Tensor::from_vec(scaled.collect(), shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard normal distribution cut at ±1 has variance 1 − 2·φ(1)/(2·Φ(1) − 1) = 0.29112.
    #[test]
    fn mean_and_variance_are_those_of_the_cut_distribution() {
        let n = 100_000;
        let values = TruncatedNormal::new(0.0, 1.0).between(-1.0, 1.0).draw(&n.into()).to_f64_vec();
        assert!(values.iter().all(|v| v.abs() <= 1.0));
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n as f64;
        assert!(mean.abs() < 5.0 * (0.29112 / n as f64).sqrt(), "{mean}");
        assert!((variance - 0.29112).abs() < 0.004, "{variance}");
    }
}
