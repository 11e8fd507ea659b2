//! A power of what is left of the run.

use super::Schedule;

/// `base · (1 − step/steps)^power`, and 0 from step `steps` on.
#[derive(Clone, Debug)]
pub struct PolynomialLr {
    steps: usize,
    power: f64,
}

impl PolynomialLr {
    /// Straight down to 0 in `steps` steps.
    pub fn new(steps: usize) -> PolynomialLr {
        PolynomialLr { steps: steps.max(1), power: 1.0 }
    }

    /// The exponent: above 1 falls fast first, below 1 falls fast last.
    pub fn power(self, power: f64) -> PolynomialLr {
        PolynomialLr { power, ..self }
    }
}

impl Schedule for PolynomialLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        let left = 1.0 - step.min(self.steps) as f64 / self.steps as f64;
        base * libm::pow(left, self.power)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("PolynomialLR", |call| {
            Box::new(PolynomialLr::new(call.number("total_iters") as usize).power(call.number("power")))
        });
    }
}
