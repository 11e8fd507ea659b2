//! `randperm`: the numbers below n in random order.

use crate::ops::prelude::*;
use crate::random::{Generator, default_generator, require_key, seed_and_stream};
use hadal_kernels::random;

#[derive(Debug)]
struct Randperm(usize);

impl Op for Randperm {
    fn name(&self) -> &'static str {
        "randperm"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_key(self, &x[0])?;
        one(Meta::new(self.0, DType::I64))
    }

    /// Fisher and Yates' shuffle, from the last place down (Knuth, The Art of Computer Programming 2, algorithm 3.4.2P).
    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (seed, stream) = seed_and_stream(&x[0]);
        let order = y[0].slice::<i64>();
        order.iter_mut().enumerate().for_each(|(i, v)| *v = i as i64);
        for last in (1..order.len()).rev() {
            let mut chosen = [0];
            random::randint_at(seed, stream, last as u64, 0, last as i64 + 1, &mut chosen);
            order.swap(last, chosen[0] as usize);
        }
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("integers have no gradient")
    }
}

#[fallible]
impl Tensor {
    /// 0, 1, …, n − 1 in random order, every order equally probable; as `i64`, from the default generator.
    pub fn randperm(n: usize) -> Result<Tensor> {
        Tensor::try_randperm_from(default_generator(), n)
    }

    /// [`Tensor::randperm`] from this generator.
    pub fn randperm_from(generator: &Generator, n: usize) -> Result<Tensor> {
        apply(Randperm(n), &[&generator.next_key()])
    }
}

pub(crate) fn cases() -> Cases {
    // Of Random123's known answer for key 0, counter 0, the second 64-bit word is 0.6055 of 2⁶⁴: with two places, the
    // last one is exchanged with place ⌊2 · 0.6055⌋ = 1, itself.
    Cases::new("randperm", |_, _| vec![Tensor::randperm_from(&Generator::new(0), 2)]).with(
        "known_answer",
        "{}",
        &[],
        &[Tensor::from([0i64, 1])],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pearson's χ² over the 24 orders of 4: its mean is 23, and it exceeds 49.7 once in a thousand draws.
    #[test]
    fn every_order_comes_equally_often() {
        let generator = Generator::new(4);
        let mut counts = std::collections::HashMap::new();
        for _ in 0..12_000 {
            *counts.entry(Tensor::randperm_from(&generator, 4).to_vec::<i64>()).or_insert(0f64) += 1.0;
        }
        assert_eq!(counts.len(), 24);
        let statistic: f64 = counts.values().map(|c| (c - 500.0).powi(2) / 500.0).sum();
        assert!(statistic < 49.7, "{statistic}");
    }

    #[test]
    fn is_a_permutation() {
        let mut order = Tensor::randperm_from(&Generator::new(1), 1000).to_vec::<i64>();
        assert_ne!(order[..5], [0, 1, 2, 3, 4]);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000));
        assert_eq!(Tensor::randperm(0).elements(), 0);
    }
}
