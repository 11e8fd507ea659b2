//! A constant factor at every step.

use super::Schedule;
use crate::power::power;

/// Multiplies the rate by `gamma` at every step.
#[derive(Clone, Debug)]
pub struct ExponentialLr {
    gamma: f64,
}

impl ExponentialLr {
    /// The factor per step.
    pub fn new(gamma: f64) -> ExponentialLr {
        ExponentialLr { gamma }
    }
}

impl Schedule for ExponentialLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        base * power(self.gamma, step as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("ExponentialLR", |call| Box::new(ExponentialLr::new(call.number("gamma"))));
    }
}
