//! `bernoulli`: 1 with the probability that each element gives, else 0.

use crate::compile::effect;
use crate::ops::prelude::*;
use crate::random::{Generator, default_generator, require_key, seed_and_stream};
use crate::run::map::CHUNK;
use hadal_kernels::{random, threads::for_chunks_mut};

#[derive(Debug)]
struct Bernoulli;

impl Op for Bernoulli {
    fn name(&self) -> &'static str {
        "bernoulli"
    }

    /// Inputs: the probabilities, the key.
    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        require_key(self, &x[1])?;
        one(x[0].clone())
    }

    /// An element is 1 if a uniform word is below its probability. (A probability that is NaN gives 0.)
    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (seed, stream) = seed_and_stream(&x[1]);
        dispatch!(floats y[0].dtype(), T => {
            let probabilities = x[0].contiguous::<T>();
            for_chunks_mut(y[0].slice::<T>(), CHUNK, |chunk, part| {
                let start = chunk * CHUNK;
                let mut words = vec![0; part.len()];
                random::fill_u32_at(seed, stream, start as u64, &mut words);
                for ((y, p), word) in part.iter_mut().zip(&probabilities[start..]).zip(words) {
                    let hit = u64::from(word) < random::bernoulli_threshold(p.to_f64().clamp(0.0, 1.0).max(0.0));
                    *y = T::from_i64(hit as i64);
                }
            });
        });
    }

    /// The draws are constants.
    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || g.of(0).zeros_like()), None]
    }
}

#[fallible]
impl Tensor {
    /// 1 with the probability that each element gives, else 0; in this tensor's type, from the default generator.
    pub fn bernoulli(&self) -> Result<Tensor> {
        self.try_bernoulli_from(default_generator())
    }

    /// [`Tensor::bernoulli`] from this generator.
    pub fn bernoulli_from(&self, generator: &Generator) -> Result<Tensor> {
        effect("probabilities", &[self], Vec::new(), |given| {
            let outside = |p: &f64| !(0.0..=1.0).contains(p);
            match given[0].to_f64_vec().into_iter().find(outside) {
                Some(p) => Err(Error::op("bernoulli", format!("needs probabilities from 0 to 1, got {p}"))),
                None => Ok(()),
            }
        })?;
        apply(Bernoulli, &[self, &generator.next_key()])
    }
}

pub(crate) fn cases() -> Cases {
    // Random123's known answer for key 0, counter 0: the words are 0.40, 0.88, 0.74 and 0.61 of 2³².
    let probabilities = Tensor::from([[0.41f64, 0.87], [0.75, 0.0]]);
    Cases::new("bernoulli", |_, x| vec![x[0].bernoulli_from(&Generator::new(0))]).with(
        "known_answer",
        "{}",
        &[probabilities],
        &[Tensor::from([[1f64, 0.0], [1.0, 0.0]])],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_probabilities() {
        const N: usize = 40_000;
        let p = Tensor::from([0.0f32, 0.1, 0.5, 1.0]);
        let hits = p.expand([N, 4]).bernoulli_from(&Generator::new(9)).sum(0).to_f64_vec();
        for (hits, p) in hits.into_iter().zip([0.0, 0.1, 0.5, 1.0]) {
            let error = 5.0 * (N as f64 * p * (1.0 - p)).sqrt();
            assert!((hits - N as f64 * p).abs() <= error, "{hits} hits of probability {p}");
        }
    }
}
