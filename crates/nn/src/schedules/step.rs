//! A drop every few steps.

use super::Schedule;
use crate::power::power;

/// Multiplies the rate by `gamma` every `size` steps.
#[derive(Clone, Debug)]
pub struct StepLr {
    size: usize,
    gamma: f64,
}

impl StepLr {
    /// A tenth every `size` steps.
    pub fn new(size: usize) -> StepLr {
        StepLr { size: size.max(1), gamma: 0.1 }
    }

    /// The factor.
    pub fn gamma(self, gamma: f64) -> StepLr {
        StepLr { gamma, ..self }
    }
}

impl Schedule for StepLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        base * power(self.gamma, (step / self.size) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("StepLR", |call| Box::new(StepLr::new(call.number("step_size") as usize).gamma(call.number("gamma"))));
    }
}
