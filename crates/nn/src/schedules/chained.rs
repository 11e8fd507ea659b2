//! Several schedules at once.

use super::Schedule;

/// Every schedule applied to the rate that the one before gives. [`Schedule::and`] makes one.
pub struct ChainedLr(Vec<Box<dyn Schedule>>);

impl ChainedLr {
    /// Begins with `first`.
    pub fn new(first: impl Schedule + 'static) -> ChainedLr {
        ChainedLr(vec![Box::new(first)])
    }

    /// Adds a schedule.
    pub fn and(mut self, other: impl Schedule + 'static) -> ChainedLr {
        self.0.push(Box::new(other));
        self
    }
}

impl Schedule for ChainedLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        self.0.iter().fold(base, |lr, schedule| schedule.lr(lr, step))
    }

    fn momentum(&self, step: usize) -> Option<f64> {
        self.0.iter().rev().find_map(|schedule| schedule.momentum(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;
    use crate::schedules::{ConstantLr, ExponentialLr};

    #[test]
    fn follows_pytorch() {
        compare("ChainedScheduler", |_| Box::new(ConstantLr::new(0.1, 5).and(ExponentialLr::new(0.9))));
    }
}
