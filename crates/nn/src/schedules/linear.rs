//! A straight line between two multiples of the rate.

use super::Schedule;

/// The rate times a factor that goes from `start` to `end` in `steps` steps, and stays there.
#[derive(Clone, Debug)]
pub struct LinearLr {
    start: f64,
    end: f64,
    steps: usize,
}

impl LinearLr {
    /// From `start` times the rate to `end` times the rate.
    pub fn new(start: f64, end: f64, steps: usize) -> LinearLr {
        LinearLr { start, end, steps }
    }

    /// From nothing (at step 0, `1/steps` of the rate) to the full rate.
    pub fn warmup(steps: usize) -> LinearLr {
        let steps = steps.max(1);
        LinearLr::new(1.0 / steps as f64, 1.0, steps - 1)
    }

    /// From the full rate to nothing.
    pub fn decay(steps: usize) -> LinearLr {
        LinearLr::new(1.0, 0.0, steps)
    }
}

impl Default for LinearLr {
    /// From a third of the rate to the rate in 5 steps.
    fn default() -> LinearLr {
        LinearLr::new(1.0 / 3.0, 1.0, 5)
    }
}

impl Schedule for LinearLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        let done = if step >= self.steps { 1.0 } else { step as f64 / self.steps as f64 };
        base * (self.start + (self.end - self.start) * done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("LinearLR", |call| match call.number_opt("start_factor") {
            Some(start) => {
                Box::new(LinearLr::new(start, call.number("end_factor"), call.number("total_iters") as usize))
            }
            None => Box::new(LinearLr::default()),
        });
    }

    #[test]
    fn warming_up_starts_above_zero_and_reaches_the_rate_at_the_last_step() {
        let warmup = LinearLr::warmup(4);
        let rates: Vec<f64> = (0..6).map(|step| warmup.lr(1.0, step)).collect();
        assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        assert_eq!(LinearLr::warmup(1).lr(1.0, 0), 1.0);
    }
}
