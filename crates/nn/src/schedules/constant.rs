//! A smaller rate at the start.

use super::Schedule;

/// Multiplies the rate by `factor` during the first `steps` steps.
#[derive(Clone, Debug)]
pub struct ConstantLr {
    factor: f64,
    steps: usize,
}

impl ConstantLr {
    /// `factor` of the rate until step `steps`.
    pub fn new(factor: f64, steps: usize) -> ConstantLr {
        ConstantLr { factor, steps }
    }
}

impl Default for ConstantLr {
    /// A third of the rate for 5 steps.
    fn default() -> ConstantLr {
        ConstantLr::new(1.0 / 3.0, 5)
    }
}

impl Schedule for ConstantLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        if step < self.steps { base * self.factor } else { base }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("ConstantLR", |call| match call.number_opt("factor") {
            Some(factor) => Box::new(ConstantLr::new(factor, call.number("total_iters") as usize)),
            None => Box::new(ConstantLr::default()),
        });
    }
}
