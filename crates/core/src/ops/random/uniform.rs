//! `uniform` and `rand`: numbers of equal probability in an interval.

use crate::ops::prelude::*;
use crate::random::{Generator, default_generator, require_key, seed_and_stream, unless_drawn};
use hadal_kernels::random;

#[derive(Debug)]
struct Uniform {
    low: f64,
    high: f64,
    meta: Meta,
}

impl Op for Uniform {
    fn name(&self) -> &'static str {
        "uniform"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_key(self, &x[0])?;
        one(self.meta.clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (seed, stream) = seed_and_stream(&x[0]);
        match self.meta.dtype {
            DType::F64 => {
                random::uniform_f64(seed, stream, y[0].slice());
                stretch(y[0].slice::<f64>(), self.low, self.high);
            }
            _ => {
                random::uniform_f32(seed, stream, y[0].slice());
                stretch(y[0].slice::<f32>(), self.low as f32, self.high as f32);
            }
        }
    }

    fn grad(&self, _: &Grad) -> Grads {
        vec![None]
    }
}

/// From [0, 1) to [low, high).
fn stretch<T: Real>(values: &mut [T], low: T, high: T) {
    if (low, high) != (T::of(0.0), T::of(1.0)) {
        values.iter_mut().for_each(|v| *v = low + *v * (high - low));
    }
}

#[fallible]
impl Tensor {
    /// Uniform in [0, 1), as `f32`, from the default generator.
    ///
    /// ```
    /// # use hadal_core::{Tensor, random::manual_seed};
    /// manual_seed(7);
    /// let x = Tensor::rand([2, 3]);
    /// manual_seed(7);
    /// assert_eq!(Tensor::rand(6).to_vec::<f32>(), x.to_vec::<f32>());
    /// ```
    pub fn rand(shape: impl Into<Shape>) -> Result<Tensor> {
        Tensor::try_uniform(shape, 0.0, 1.0)
    }

    /// Uniform in [low, high), as `f32`, from the default generator.
    pub fn uniform(shape: impl Into<Shape>, low: f64, high: f64) -> Result<Tensor> {
        Tensor::try_uniform_from(default_generator(), shape, low, high)
    }

    /// Uniform in [low, high), as `f32`, from this generator.
    pub fn uniform_from(generator: &Generator, shape: impl Into<Shape>, low: f64, high: f64) -> Result<Tensor> {
        Meta::new(shape, DType::F32).uniform(generator, low, high)
    }

    /// Uniform in [0, 1), in this tensor's shape and (floating-point) type, from the default generator.
    pub fn rand_like(&self) -> Result<Tensor> {
        self.meta().uniform(default_generator(), 0.0, 1.0)
    }
}

impl Meta {
    /// A tensor of this shape and type, uniform in [low, high). Half types are drawn as `f32`.
    pub(crate) fn uniform(&self, generator: &Generator, low: f64, high: f64) -> Result<Tensor> {
        if !(low.is_finite() && high.is_finite() && low <= high) {
            return Err(Error::op("uniform", format!("needs finite bounds low <= high, got {low} and {high}")));
        }
        let meta = self.with_dtype(self.dtype.compute());
        let op = Uniform { low, high, meta };
        require_float(&op, self)?;
        if let Some(undrawn) = unless_drawn(self) {
            return Ok(undrawn);
        }
        apply(op, &[&generator.next_key()])?.try_to_dtype(self.dtype)
    }
}

pub(crate) fn cases() -> Cases {
    // Random123's known answer for key 0, counter 0: the upper 24 bits of each word, over 2²⁴.
    let words = [0x6627_e8d5u32, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8];
    let expected = words.map(|word| 3.0 * f64::from(word >> 8) / 16_777_216.0 - 1.0);
    Cases::new("uniform", |_, _| vec![Tensor::uniform_from(&Generator::new(0), [2, 2], -1.0, 2.0)]).with(
        "known_answer",
        "{}",
        &[],
        &[Tensor::from([[expected[0], expected[1]], [expected[2], expected[3]]])],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn element_i_depends_on_i_alone() {
        let draw = |shape: &[usize]| Tensor::uniform_from(&Generator::new(5), shape, 0.0, 1.0).to_vec::<f32>();
        let long = draw(&[7, 9001]);
        assert_eq!(draw(&[3, 5]), long[..15]);
        assert_eq!(draw(&[0, 5]), [0f32; 0]);
        assert!(Tensor::try_uniform(2, 1.0, 0.0).is_err());
    }

    /// Pearson's χ² over 64 cells: its mean is 63, and it exceeds 104 once in a thousand draws.
    #[test]
    fn cells_are_filled_evenly() {
        let values = Tensor::uniform_from(&Generator::new(11), 64_000, -2.0, 2.0).to_vec::<f32>();
        let mut counts = [0f64; 64];
        values.iter().for_each(|v| counts[((v + 2.0) * 16.0) as usize] += 1.0);
        let statistic: f64 = counts.iter().map(|c| (c - 1000.0).powi(2) / 1000.0).sum();
        assert!(statistic < 104.0, "{statistic}");
    }

    #[test]
    fn other_types_are_drawn_like_their_tensor() {
        let halves = Tensor::zeros_with(100, DType::BF16).rand_like();
        assert_eq!(halves.dtype(), DType::BF16);
        let doubles = Tensor::zeros_with(100, DType::F64).rand_like().to_vec::<f64>();
        assert!(doubles.iter().any(|&v| v != f64::from(v as f32)));
        assert!(Tensor::arange(3).try_rand_like().is_err());
    }
}
