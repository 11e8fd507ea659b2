//! `truncated_normal`: a Gaussian distribution cut off at two bounds.

use crate::ops::prelude::*;
use crate::random::{Generator, default_generator, unless_drawn};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

#[fallible]
impl Tensor {
    /// Normal numbers of this mean and standard deviation, those outside the bounds excluded; as `f32`, from the
    /// default generator. PyTorch's initializer `trunc_normal_` has mean 0, deviation 1 and bounds ±2 by default.
    pub fn truncated_normal(shape: impl Into<Shape>, mean: f64, std: f64, bounds: [f64; 2]) -> Result<Tensor> {
        Tensor::try_truncated_normal_from(default_generator(), shape, mean, std, bounds)
    }

    /// [`Tensor::truncated_normal`] from this generator.
    ///
    /// The inverse distribution function of uniform numbers, computed in `f64`.
    pub fn truncated_normal_from(
        generator: &Generator,
        shape: impl Into<Shape>,
        mean: f64,
        std: f64,
        bounds: [f64; 2],
    ) -> Result<Tensor> {
        let [low, high] = bounds;
        if std.is_nan() || std <= 0.0 || low.is_nan() || low >= high {
            let message = format!("needs a deviation above 0 and bounds low < high, got {std} and [{low}, {high}]");
            return Err(Error::op("truncated_normal", message));
        }
        let shape = shape.into();
        if let Some(undrawn) = unless_drawn(&Meta::new(&shape, DType::F32)) {
            return Ok(undrawn);
        }
        let [from, to] = bounds.map(|bound| libm::erf((bound - mean) / std * FRAC_1_SQRT_2));
        let uniform = Meta::new(shape, DType::F64).uniform(generator, from, to)?;
        let normal = uniform.erfinv().mul(std * SQRT_2).add(mean);
        normal.clamp(low, high).try_to_dtype(DType::F32)
    }
}

pub(crate) fn cases() -> Cases {
    // Random123's known answer for key 0, counter 0, as two numbers u of 53 bits; √2 · erfinv((2u − 1) erf(√2)) at
    // them, with 30 digits (mpmath).
    Cases::new("truncated_normal", |_, _| {
        vec![Tensor::truncated_normal_from(&Generator::new(0), 2, 0.0, 1.0, [-2.0, 2.0])]
    })
    .with("known_answer", "{}", &[], &[Tensor::from([1.094_839_1f32, 0.255_113_8])])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Between ±2 the variance of the truncated distribution is 1 − 4φ(2) / (2Φ(2) − 1) = 0.773741.
    #[test]
    fn moments_are_those_of_the_distribution() {
        const N: usize = 50_000;
        let z = Tensor::truncated_normal_from(&Generator::new(8), N, 3.0, 0.5, [2.0, 4.0]).to_f64_vec();
        assert!(z.iter().all(|z| (2.0..=4.0).contains(z)));
        let mean = z.iter().sum::<f64>() / N as f64;
        let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / N as f64;
        let expected = 0.25 * 0.773_741;
        assert!((mean - 3.0).abs() < 5.0 * (expected / N as f64).sqrt(), "mean {mean}");
        assert!((variance - expected).abs() < 0.02 * expected, "variance {variance}");
        assert!(Tensor::try_truncated_normal(2, 0.0, 1.0, [1.0, 1.0]).is_err());
    }
}
