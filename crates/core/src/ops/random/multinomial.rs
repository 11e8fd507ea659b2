//! `multinomial`: categories drawn by their weights.

use crate::compile::effect;
use crate::ops::prelude::*;
use crate::random::{Generator, default_generator, require_key, seed_and_stream};
use hadal_kernels::random;

/// Whether a category can be drawn again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replacement {
    /// Every draw is from all categories.
    With,
    /// No category comes twice.
    Without,
}

#[derive(Debug)]
struct Multinomial {
    draws: usize,
    replacement: Replacement,
}

impl Op for Multinomial {
    fn name(&self) -> &'static str {
        "multinomial"
    }

    /// Inputs: weights `[categories]` or `[rows, categories]`, the key.
    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        require_key(self, &x[1])?;
        let shape = &x[0].shape;
        let Some((categories, rows)) = shape.split_last().filter(|_| shape.rank() <= 2) else {
            return Err(Error::op(
                self.name(),
                format!("needs weights [categories] or [rows, categories], got {shape}"),
            ));
        };
        if self.replacement == Replacement::Without && self.draws > *categories {
            let message = format!("cannot draw {} of {categories} categories without replacement", self.draws);
            return Err(Error::op(self.name(), message));
        }
        one(Meta::new(rows.iter().copied().chain([self.draws]).collect::<Shape>(), DType::I64))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (seed, stream) = seed_and_stream(&x[1]);
        let categories = x[0].shape()[x[0].shape().rank() - 1];
        if self.draws == 0 || categories == 0 {
            return;
        }
        dispatch!(floats x[0].dtype(), T => {
            let weights: Vec<f64> = x[0].contiguous::<T>().iter().map(|w| w.to_f64()).collect();
            let draws = y[0].slice::<i64>().chunks_mut(self.draws);
            for (row, (weights, out)) in weights.chunks(categories).zip(draws).enumerate() {
                let uniform = |n: usize| {
                    let mut values = vec![0.0; n];
                    random::uniform_f64_at(seed, stream, (row * n) as u64, &mut values);
                    values
                };
                match self.replacement {
                    Replacement::With => by_inversion(weights, &uniform(self.draws), out),
                    Replacement::Without => by_race(weights, &uniform(categories), out),
                }
            }
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("integers have no gradient")
    }
}

/// The category in whose part of the summed weights each uniform number falls.
fn by_inversion(weights: &[f64], uniform: &[f64], out: &mut [i64]) {
    let mut sum = 0.0;
    let sums: Vec<f64> = weights
        .iter()
        .map(|w| {
            sum += w;
            sum
        })
        .collect();
    let last = weights.iter().rposition(|&w| w > 0.0).unwrap_or(0);
    for (out, u) in out.iter_mut().zip(uniform) {
        *out = sums.partition_point(|&s| s <= u * sum).min(last) as i64;
    }
}

/// Each category arrives after an exponential time of its weight's rate; the first to arrive are drawn, in order
/// (Efraimidis & Spirakis 2006).
fn by_race(weights: &[f64], uniform: &[f64], out: &mut [i64]) {
    let time = |i: usize| if weights[i] > 0.0 { -libm::log(1.0 - uniform[i]) / weights[i] } else { f64::INFINITY };
    let mut order: Vec<(f64, i64)> = (0..weights.len()).map(|i| (time(i), i as i64)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    out.iter_mut().zip(order).for_each(|(out, (_, i))| *out = i);
}

#[fallible]
impl Tensor {
    /// `draws` category numbers per row, as `i64`, drawn by the weights in `[categories]` or `[rows, categories]`, which
    /// need not sum to 1; from the default generator.
    pub fn multinomial(&self, draws: usize, replacement: Replacement) -> Result<Tensor> {
        self.try_multinomial_from(default_generator(), draws, replacement)
    }

    /// [`Tensor::multinomial`] from this generator.
    pub fn multinomial_from(&self, generator: &Generator, draws: usize, replacement: Replacement) -> Result<Tensor> {
        let weights = self.detach();
        effect("weights", &[&weights], Vec::new(), move |weights| check_weights(&weights[0], draws, replacement))?;
        apply(Multinomial { draws, replacement }, &[&weights, &generator.next_key()])
    }
}

/// The error for weights from which `draws` categories cannot be drawn.
fn check_weights(weights: &Tensor, draws: usize, replacement: Replacement) -> Result<()> {
    let categories = weights.shape().last().copied().unwrap_or(1);
    for (row, weights) in weights.to_f64_vec().chunks(categories.max(1)).enumerate() {
        if let Some(at) = weights.iter().position(|w| !(0.0..f64::INFINITY).contains(w)) {
            let message = format!("needs finite weights of at least 0, got {} at {at} of row {row}", weights[at]);
            return Err(Error::op("multinomial", message));
        }
        let possible = weights.iter().filter(|&&w| w > 0.0).count();
        let needed = if replacement == Replacement::Without { draws } else { draws.min(1) };
        if possible < needed {
            let message = format!("cannot draw {draws} categories from row {row}: {possible} have a weight above 0");
            return Err(Error::op("multinomial", message));
        }
    }
    Ok(())
}

pub(crate) fn cases() -> Cases {
    // Random123's known answer for key 0, counter 0, as two numbers of 53 bits: 0.88052 and 0.60548. Of the summed
    // weights 1, 7, 9, 10 they fall in the parts of 2 (8.8) and 1 (6.05).
    Cases::new("multinomial", |_, x| vec![x[0].multinomial_from(&Generator::new(0), 2, Replacement::With)]).with(
        "known_answer",
        "{}",
        &[Tensor::from([1.0f64, 6.0, 2.0, 1.0])],
        &[Tensor::from([2i64, 1])],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With weights 1, 2, 3, 4 the first category drawn has probability w / 10, with or without replacement, and the
    /// ordered pair (i, j) without replacement wᵢ/10 · wⱼ/(10 − wᵢ).
    #[test]
    fn categories_come_by_their_weights() {
        const N: usize = 40_000;
        let weights = Tensor::from([1.0f32, 2.0, 3.0, 4.0, 0.0]).expand([N, 5]);
        let within =
            |count: usize, p: f64| (count as f64 - N as f64 * p).abs() < 5.0 * (N as f64 * p * (1.0 - p)).sqrt();
        let once = weights.multinomial_from(&Generator::new(1), 1, Replacement::With).to_vec::<i64>();
        let pairs = weights.multinomial_from(&Generator::new(1), 2, Replacement::Without).to_vec::<i64>();
        for i in 0..5usize {
            let weight = [0.1, 0.2, 0.3, 0.4, 0.0][i];
            let count = once.iter().filter(|&&c| c == i as i64).count();
            assert!(within(count, weight) || weight == 0.0 && count == 0, "{count} of category {i}");
            for j in 0..4 {
                let p = if i == j { 0.0 } else { weight * (j + 1) as f64 / 10.0 / (1.0 - weight) };
                let count = pairs.chunks(2).filter(|pair| pair == &[i as i64, j as i64]).count();
                assert!(within(count, p) || p == 0.0 && count == 0, "{count} of pair {i}, {j}");
            }
        }
    }

    #[test]
    fn mistakes_are_explained() {
        let weights = Tensor::from([1.0f32, 0.0, 2.0]);
        let message = |n, r| weights.try_multinomial(n, r).unwrap_err().to_string();
        assert_eq!(
            message(3, Replacement::Without),
            "multinomial cannot draw 3 categories from row 0: 2 have a weight above 0"
        );
        assert!(weights.neg().try_multinomial(1, Replacement::With).is_err());
    }
}
