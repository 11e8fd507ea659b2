//! MixUp and CutMix: batches whose samples are mixtures of two, with targets to match.

use hadal_core::{DType, Tensor};

use crate::random::Stream;
use crate::{Batch, Error, Result};

/// Mixes each sample with the one before it in the batch, the first with the last.
///
/// Labels `[samples]` become probabilities `[samples, classes]` of `f32`, so the loss must take those.
#[derive(Clone, Debug)]
pub struct Mix {
    method: Method,
    alpha: f64,
    classes: usize,
}

#[derive(Clone, Debug)]
enum Method {
    Up,
    Cut,
}

impl Mix {
    /// A weighted mean of the two (Zhang et al. 2017, "mixup: Beyond empirical risk minimization"). The weight is drawn from
    /// Beta(`alpha`, `alpha`), once per batch.
    ///
    /// # Panics
    /// When `alpha` is not positive.
    #[track_caller]
    pub fn up(alpha: f64, classes: usize) -> Mix {
        assert!(alpha > 0.0, "mixup: alpha is {alpha}, but must be positive");
        Mix { method: Method::Up, alpha, classes }
    }

    /// A rectangle of one image in the other (Yun et al. 2019, "CutMix"); targets are mixed by area. The area is drawn
    /// from Beta(`alpha`, `alpha`), once per batch.
    ///
    /// # Panics
    /// When `alpha` is not positive.
    #[track_caller]
    pub fn cut(alpha: f64, classes: usize) -> Mix {
        assert!(alpha > 0.0, "cutmix: alpha is {alpha}, but must be positive");
        Mix { method: Method::Cut, alpha, classes }
    }

    /// The mixture of a batch of `f32` inputs and `i64` labels.
    ///
    /// # Errors
    /// When the batch has other types, a label is out of range, or CutMix gets what is no image.
    pub fn apply(&self, batch: &Batch, random: &mut Stream) -> Result<Batch> {
        let (inputs, labels) = (&batch.input, &batch.target);
        if inputs.dtype() != DType::F32 || labels.dtype() != DType::I64 || labels.rank() != 1 {
            let message = format!(
                "mixing needs f32 inputs and i64 labels [samples], got {} and {} {}; give the loader a transform",
                inputs.dtype(),
                labels.dtype(),
                labels.shape()
            );
            return Err(Error::invalid(message));
        }
        let mut share = beta(self.alpha, random) as f32;
        let mut mixed = inputs.to_vec::<f32>();
        let size = mixed.len() / batch.len().max(1);
        let previous = |sample: usize| (sample + batch.len() - 1) % batch.len();
        let source = mixed.clone();
        match self.method {
            Method::Up => {
                for (sample, values) in mixed.chunks_exact_mut(size.max(1)).enumerate() {
                    let other = &source[previous(sample) * size..][..size];
                    values.iter_mut().zip(other).for_each(|(value, other)| *value = other + (*value - other) * share);
                }
            }
            Method::Cut => {
                let [_, channels, height, width] = inputs.shape()[..] else {
                    let message =
                        format!("cutmix needs images [samples, channels, height, width], got {}", inputs.shape());
                    return Err(Error::invalid(message));
                };
                let (rows, columns) = (span(height, share, random), span(width, share, random));
                for (sample, values) in mixed.chunks_exact_mut(size.max(1)).enumerate() {
                    let other = &source[previous(sample) * size..][..size];
                    for row in (0..channels).flat_map(|channel| rows.clone().map(move |row| channel * height + row)) {
                        let part = row * width + columns.start..row * width + columns.end;
                        values[part.clone()].copy_from_slice(&other[part]);
                    }
                }
                share = 1.0 - (rows.len() * columns.len()) as f32 / (height * width).max(1) as f32;
            }
        }
        let labels = labels.to_vec::<i64>();
        let mut targets = vec![0.0; batch.len() * self.classes];
        for (sample, target) in targets.chunks_exact_mut(self.classes.max(1)).enumerate() {
            for (from, weight) in [(sample, share), (previous(sample), 1.0 - share)] {
                let label = labels[from];
                let class = usize::try_from(label).ok().filter(|&class| class < self.classes);
                let refuse = || format!("sample {}: label {label} of {} classes", batch.indices[from], self.classes);
                target[class.ok_or_else(|| Error::invalid(refuse()))?] += weight;
            }
        }
        Ok(Batch {
            input: Tensor::from_vec(mixed, inputs.shape().clone()),
            target: Tensor::from_vec(targets, [batch.len(), self.classes]),
            indices: batch.indices.clone(),
        })
    }
}

/// One side of CutMix's rectangle, whose area is `1 - share` of the image's where it is not cut off at the border.
fn span(size: usize, share: f32, random: &mut Stream) -> std::ops::Range<usize> {
    let half = (0.5 * (1.0 - share).sqrt() * size as f32) as usize;
    let centre = random.below(size as u32) as usize;
    centre.saturating_sub(half)..(centre + half).min(size)
}

/// A draw from Beta(`alpha`, `alpha`).
fn beta(alpha: f64, random: &mut Stream) -> f64 {
    let (a, b) = (gamma(alpha, random), gamma(alpha, random));
    // Both can underflow to zero when alpha is tiny: then the mixture is one of the two.
    if a + b > 0.0 { a / (a + b) } else { f64::from(random.below(2)) }
}

/// A draw from Gamma(`shape`, 1) (Marsaglia and Tsang 2000, "A simple method for generating gamma variables").
fn gamma(shape: f64, random: &mut Stream) -> f64 {
    let mut unit = || (f64::from(random.word()) + 0.5) / 4_294_967_296.0;
    if shape < 1.0 {
        let boost = libm::pow(unit(), 1.0 / shape);
        return gamma(shape + 1.0, random) * boost;
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        // A standard normal number (Box and Muller).
        let x = (-2.0 * libm::log(unit())).sqrt() * libm::cos(std::f64::consts::TAU * unit());
        let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
        if v > 0.0 && libm::log(unit()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::fails;

    /// Three images of 8 × 8 full of 1, 2 and 4, with the labels 0, 1 and 2.
    fn batch() -> Batch {
        let values = [1.0f32, 2.0, 4.0].iter().flat_map(|&value| [value; 64]).collect();
        let input = Tensor::from_vec(values, [3, 1, 8, 8]);
        Batch { input, target: Tensor::from([0i64, 1, 2]), indices: vec![5, 6, 7] }
    }

    #[test]
    fn mixup_is_a_weighted_mean() {
        for name in 0..20 {
            let mixed = Mix::up(0.4, 3).apply(&batch(), &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
            let targets = mixed.target.to_vec::<f32>();
            let share = targets[0];
            assert!((0.0..=1.0).contains(&share) && mixed.target.shape().to_vec() == [3, 3]);
            let expected = [share, 0.0, 1.0 - share, 1.0 - share, share, 0.0, 0.0, 1.0 - share, share];
            assert!(targets.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6));
            let first = mixed.input.to_vec::<f32>()[0];
            assert!((first - (share + 4.0 * (1.0 - share))).abs() < 1e-5);
        }
    }

    #[test]
    fn cutmix_weighs_by_area() {
        for name in 0..20 {
            let mixed = Mix::cut(1.0, 3).apply(&batch(), &mut Stream::new(0, [name, 0, 0, 0])).unwrap();
            let targets = mixed.target.to_vec::<f32>();
            let pasted = mixed.input.to_vec::<f32>()[..64].iter().filter(|&&value| value == 4.0).count();
            assert!((targets[2] - pasted as f32 / 64.0).abs() < 1e-6 && (targets[0] + targets[2] - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn beta_has_its_moments() {
        let mut random = Stream::new(3, [0; 4]);
        for alpha in [0.2, 1.0, 4.0] {
            let draws: Vec<f64> = (0..50_000).map(|_| beta(alpha, &mut random)).collect();
            let mean = draws.iter().sum::<f64>() / 5e4;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 5e4;
            // Mean ½, variance 1 / (4 (2 alpha + 1)); five standard errors of the mean are at most 0.01.
            assert!((mean - 0.5).abs() < 0.01, "{alpha}: {mean}");
            assert!((variance - 0.25 / (2.0 * alpha + 1.0)).abs() < 0.004, "{alpha}: {variance}");
        }
    }

    #[test]
    fn what_cannot_be_mixed_is_refused() {
        let mut random = Stream::new(0, [0; 4]);
        fails(Mix::up(1.0, 2).apply(&batch(), &mut random), &["sample 7: label 2 of 2 classes"]);
        let bytes = Batch { input: Tensor::from([[1u8], [2], [3]]), ..batch() };
        fails(Mix::up(1.0, 3).apply(&bytes, &mut random), &["needs f32 inputs", "got u8"]);
        let rows = Batch { input: Tensor::from([[1.0f32], [2.0], [3.0]]), ..batch() };
        fails(Mix::cut(1.0, 3).apply(&rows, &mut random), &["cutmix needs images", "[3, 1]"]);
    }
}
