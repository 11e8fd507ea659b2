//! `alpha_dropout`: dropout that keeps mean 0 and variance 1, for `selu` networks (Klambauer et al. 2017).

use crate::ops::prelude::*;
use crate::random::{Generator, default_generator};

/// `−λ·α` of [`Tensor::selu`]: what it tends to at −∞, and what a dropped element is set to.
const SATURATED: f64 = -1.758_099_340_847_376_6;

#[fallible]
impl Tensor {
    /// Each element set to `selu(−∞)` with probability `p`, and all shifted and scaled so that mean 0 and variance 1
    /// are kept; by the default generator.
    pub fn alpha_dropout(&self, p: f64) -> Result<Tensor> {
        self.try_alpha_dropout_from(default_generator(), p)
    }

    /// [`Tensor::alpha_dropout`] by this generator.
    ///
    /// With `a = ((1 − p)(1 + p s²))^−½`, `b = −a·p·s` and s = selu(−∞), the result is `a·self + b` where kept and
    /// `a·s + b` where dropped; as `a·((1 − p)·dropout(self − s) + s) + b` it needs no stored mask.
    pub fn alpha_dropout_from(&self, generator: &Generator, p: f64) -> Result<Tensor> {
        if p == 1.0 {
            return self.try_mul(0);
        }
        let dropped = self.try_sub(SATURATED)?.try_dropout_from(generator, p)?;
        let scale = 1.0 / ((1.0 - p) * (1.0 + p * SATURATED * SATURATED)).sqrt();
        dropped.try_mul(scale * (1.0 - p))?.try_add(scale * SATURATED * (1.0 - p))
    }
}

pub(crate) fn cases() -> Cases {
    // By the paper's formula, with Random123's known answer for key 0, counter 0: 0.40 and 0.88 of 2³², so that the
    // first element is kept and the second dropped.
    let (p, s) = (0.5f64, SATURATED);
    let a = 1.0 / ((1.0 - p) * (1.0 + p * s * s)).sqrt();
    let b = -a * p * s;
    Cases::new("alpha_dropout", |_, x| vec![x[0].alpha_dropout_from(&Generator::new(0), 0.5)]).with(
        "half",
        "{}",
        &[Tensor::from([1.5f64, 0.5])],
        &[Tensor::from([a * 1.5 + b, a * s + b])],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_variance_are_kept() {
        const N: usize = 100_000;
        let generator = Generator::new(12);
        let y = Tensor::normal_from(&generator, N, 0.0, 1.0).alpha_dropout_from(&generator, 0.2).to_f64_vec();
        let mean = y.iter().sum::<f64>() / N as f64;
        let variance = y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / N as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "mean {mean}, variance {variance}");
    }
}
