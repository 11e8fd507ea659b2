//! `Distillation`: learning from another model's opinion (Hinton, Vinyals and Dean 2015, arXiv 1503.02531).

use super::{KlDivergence, cross_entropy};
use hadal_core::{Error, Result, Tensor, fallible};

/// `alpha · T² · KL(softmax(teacher / T) ‖ softmax(student / T)) + (1 − alpha) · cross-entropy(student, labels)`, the mean
/// over the batch.
///
/// A temperature `T` above 1 shows which wrong classes the teacher finds less wrong than others; `T²` gives both parts
/// gradients of one size. Logits are `[batch, classes, …]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distillation {
    temperature: f64,
    alpha: f64,
}

impl Default for Distillation {
    fn default() -> Distillation {
        Distillation { temperature: 4.0, alpha: 0.5 }
    }
}

impl Distillation {
    /// Temperature 4, half of each part.
    pub fn new() -> Distillation {
        Distillation::default()
    }

    /// The temperature.
    ///
    /// # Panics
    /// If it is not positive.
    #[track_caller]
    pub fn temperature(self, temperature: f64) -> Distillation {
        if temperature.is_nan() || temperature <= 0.0 {
            Error::op("distillation", format!("needs a positive temperature, got {temperature}")).raise();
        }
        Distillation { temperature, ..self }
    }

    /// The teacher's share of the loss, from 0 to 1.
    ///
    /// # Panics
    /// If it is no share.
    #[track_caller]
    pub fn alpha(self, alpha: f64) -> Distillation {
        if !(0.0..=1.0).contains(&alpha) {
            Error::op("distillation", format!("needs a share from 0 to 1, got {alpha}")).raise();
        }
        Distillation { alpha, ..self }
    }
}

#[fallible]
impl Distillation {
    /// The loss of a student's logits.
    pub fn forward(&self, student: &Tensor, teacher: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let hard = hadal_core::attempt(|| cross_entropy(student, labels))?;
        self.try_join(&hard, student, teacher)
    }

    /// The same with any loss of the student in place of the cross-entropy.
    pub fn join(&self, hard: &Tensor, student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
        let t = self.temperature;
        let (output, target) = (student.try_div(t)?.try_log_softmax(1)?, teacher.detach().try_div(t)?.try_softmax(1)?);
        let soft = KlDivergence::new().try_forward(&output, &target)?;
        soft.try_mul(self.alpha * t * t)?.try_add(hard.try_mul(1.0 - self.alpha)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::losses::recorded::compare;

    #[test]
    fn computes_what_pytorch_computes() {
        compare("distillation", |a, x| {
            let loss = Distillation::new().temperature(a.float("temperature")).alpha(a.float("alpha"));
            loss.forward(&x[0], &x[1], &x[2])
        });
    }
}
