//! `normal` and `randn`: numbers of the Gaussian distribution.

use crate::ops::prelude::*;
use crate::random::{Generator, default_generator, require_key, seed_and_stream, unless_drawn};
use hadal_kernels::random;

#[derive(Debug)]
struct Normal {
    mean: f64,
    std: f64,
    meta: Meta,
}

impl Op for Normal {
    fn name(&self) -> &'static str {
        "normal"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_key(self, &x[0])?;
        one(self.meta.clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (seed, stream) = seed_and_stream(&x[0]);
        match self.meta.dtype {
            DType::F64 => {
                random::normal_f64(seed, stream, y[0].slice());
                shift(y[0].slice::<f64>(), self.mean, self.std);
            }
            _ => {
                random::normal_f32(seed, stream, y[0].slice());
                shift(y[0].slice::<f32>(), self.mean as f32, self.std as f32);
            }
        }
    }

    fn grad(&self, _: &Grad) -> Grads {
        vec![None]
    }
}

/// From mean 0 and standard deviation 1 to those wanted.
fn shift<T: Real>(values: &mut [T], mean: T, std: T) {
    if (mean, std) != (T::of(0.0), T::of(1.0)) {
        values.iter_mut().for_each(|v| *v = mean + *v * std);
    }
}

#[fallible]
impl Tensor {
    /// Standard normal numbers, as `f32`, from the default generator.
    pub fn randn(shape: impl Into<Shape>) -> Result<Tensor> {
        Tensor::try_normal(shape, 0.0, 1.0)
    }

    /// Normal numbers of this mean and standard deviation, as `f32`, from the default generator.
    pub fn normal(shape: impl Into<Shape>, mean: f64, std: f64) -> Result<Tensor> {
        Tensor::try_normal_from(default_generator(), shape, mean, std)
    }

    /// Normal numbers of this mean and standard deviation, as `f32`, from this generator.
    pub fn normal_from(generator: &Generator, shape: impl Into<Shape>, mean: f64, std: f64) -> Result<Tensor> {
        Meta::new(shape, DType::F32).normal(generator, mean, std)
    }

    /// Standard normal numbers in this tensor's shape and (floating-point) type, from the default generator.
    pub fn randn_like(&self) -> Result<Tensor> {
        self.meta().normal(default_generator(), 0.0, 1.0)
    }
}

impl Meta {
    /// A tensor of this shape and type with normal numbers. Half types are drawn as `f32`.
    fn normal(&self, generator: &Generator, mean: f64, std: f64) -> Result<Tensor> {
        if !(mean.is_finite() && (0.0..f64::INFINITY).contains(&std)) {
            let message = format!("needs a finite mean and a standard deviation of at least 0, got {mean} and {std}");
            return Err(Error::op("normal", message));
        }
        let meta = self.with_dtype(self.dtype.compute());
        let op = Normal { mean, std, meta };
        require_float(&op, self)?;
        if let Some(undrawn) = unless_drawn(self) {
            return Ok(undrawn);
        }
        apply(op, &[&generator.next_key()])?.try_to_dtype(self.dtype)
    }
}

pub(crate) fn cases() -> Cases {
    // Box and Muller's formula (1958) in f64, on Random123's known answer for key 0, counter 0.
    let words = [0x6627_e8d5u32, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8].map(|w| f64::from(w >> 8) / 16_777_216.0);
    let pair = |u: f64, v: f64| {
        let (radius, angle) = ((-2.0 * (1.0 - u).ln()).sqrt(), std::f64::consts::TAU * v);
        [radius * angle.cos(), radius * angle.sin()].map(|z| 10.0 + 2.0 * z)
    };
    let expected = Tensor::from([pair(words[0], words[1]), pair(words[2], words[3])]);
    Cases::new("normal", |_, _| vec![Tensor::normal_from(&Generator::new(0), [2, 2], 10.0, 2.0)]).with(
        "known_answer",
        "{}",
        &[],
        &[expected],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first four moments, each within five standard errors of the normal distribution's.
    #[test]
    fn moments_are_those_of_the_distribution() {
        const N: usize = 100_000;
        let z = Tensor::normal_from(&Generator::new(3), N, -4.0, 3.0).to_f64_vec();
        let moment = |k: i32| z.iter().map(|z| ((z + 4.0) / 3.0).powi(k)).sum::<f64>() / N as f64;
        // Variances of the k-th powers of a standard normal number: 1, 2, 15, 96.
        for (k, (expected, variance)) in [(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)].into_iter().enumerate() {
            let found = moment(k as i32 + 1);
            assert!((found - expected).abs() < 5.0 * (variance / N as f64).sqrt(), "moment {}: {found}", k + 1);
        }
    }

    #[test]
    fn element_i_depends_on_i_alone() {
        let draw = |shape: &[usize]| Tensor::normal_from(&Generator::new(5), shape, 0.0, 1.0).to_vec::<f32>();
        assert_eq!(draw(&[3, 5]), draw(&[7, 9001])[..15]);
        assert!(Tensor::try_normal(2, 0.0, -1.0).is_err());
    }
}
