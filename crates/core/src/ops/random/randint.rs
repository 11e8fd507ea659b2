//! `randint`: whole numbers of equal probability.

use crate::ops::prelude::*;
use crate::random::{Generator, default_generator, require_key, seed_and_stream};
use hadal_kernels::random;

#[derive(Debug)]
struct Randint {
    low: i64,
    high: i64,
    shape: Shape,
}

impl Op for Randint {
    fn name(&self) -> &'static str {
        "randint"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_key(self, &x[0])?;
        if self.low >= self.high {
            return Err(Error::op(self.name(), format!("needs low < high, got {} and {}", self.low, self.high)));
        }
        one(Meta::new(&self.shape, DType::I64))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (seed, stream) = seed_and_stream(&x[0]);
        random::randint(seed, stream, self.low, self.high, y[0].slice());
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("integers have no gradient")
    }
}

#[fallible]
impl Tensor {
    /// Whole numbers from `low` to `high - 1` with equal probability, as `i64`, from the default generator.
    pub fn randint(low: i64, high: i64, shape: impl Into<Shape>) -> Result<Tensor> {
        Tensor::try_randint_from(default_generator(), low, high, shape)
    }

    /// [`Tensor::randint`] from this generator.
    pub fn randint_from(generator: &Generator, low: i64, high: i64, shape: impl Into<Shape>) -> Result<Tensor> {
        apply(Randint { low, high, shape: shape.into() }, &[&generator.next_key()])
    }
}

pub(crate) fn cases() -> Cases {
    // Random123's known answer for key 0, counter 0, as two 64-bit words: 0.8805 and 0.6055 of 2⁶⁴.
    Cases::new("randint", |_, _| vec![Tensor::randint_from(&Generator::new(0), -10, 90, 2)]).with(
        "known_answer",
        "{}",
        &[],
        &[Tensor::from([78i64, 50])],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pearson's χ² over 10 faces: its mean is 9, and it exceeds 27.9 once in a thousand draws.
    #[test]
    fn faces_come_equally_often() {
        let faces = Tensor::randint_from(&Generator::new(2), 5, 15, 50_000).to_vec::<i64>();
        let mut counts = [0f64; 10];
        faces.iter().for_each(|&face| counts[(face - 5) as usize] += 1.0);
        let statistic: f64 = counts.iter().map(|c| (c - 5000.0).powi(2) / 5000.0).sum();
        assert!(statistic < 27.9, "{statistic}");
        assert!(Tensor::try_randint(3, 3, 1).is_err());
    }
}
