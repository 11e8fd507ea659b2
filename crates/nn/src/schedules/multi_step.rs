//! A drop at given steps.

use super::Schedule;
use crate::power::power;

/// Multiplies the rate by `gamma` at each milestone; a repeated milestone counts twice.
#[derive(Clone, Debug)]
pub struct MultiStepLr {
    milestones: Vec<usize>,
    gamma: f64,
}

impl MultiStepLr {
    /// A tenth at each of these steps.
    pub fn new(milestones: impl Into<Vec<usize>>) -> MultiStepLr {
        MultiStepLr { milestones: milestones.into(), gamma: 0.1 }
    }

    /// The factor.
    pub fn gamma(self, gamma: f64) -> MultiStepLr {
        MultiStepLr { gamma, ..self }
    }
}

impl Schedule for MultiStepLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        let passed = self.milestones.iter().filter(|&&milestone| milestone <= step).count();
        base * power(self.gamma, passed as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("MultiStepLR", |call| {
            let milestones: Vec<usize> = call.numbers("milestones").iter().map(|&m| m as usize).collect();
            Box::new(MultiStepLr::new(milestones).gamma(call.number("gamma")))
        });
    }
}
