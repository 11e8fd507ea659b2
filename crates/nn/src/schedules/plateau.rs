//! A drop when a metric stops improving.

use super::Schedule;
use hadal_core::{Module, Param, Tensor};

/// Which way is better.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Goal {
    /// Smaller: a loss.
    Min,
    /// Larger: an accuracy.
    Max,
}

/// By how much a metric must change to count as better.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Threshold {
    /// By this part of the best value.
    Relative(f64),
    /// By this amount.
    Absolute(f64),
}

impl Goal {
    fn is_better(self, value: f64, best: f64, threshold: Threshold) -> bool {
        match (self, threshold) {
            (Goal::Min, Threshold::Relative(part)) => value < best * (1.0 - part),
            (Goal::Min, Threshold::Absolute(amount)) => value < best - amount,
            (Goal::Max, Threshold::Relative(part)) => value > best * (1.0 + part),
            (Goal::Max, Threshold::Absolute(amount)) => value > best + amount,
        }
    }
}

/// Multiplies the rate by `factor` when the observed metric has not improved for more than `patience` observations.
///
/// The state (best value, bad observations, cooldown left, drops so far) is a buffer, so that a checkpoint holds it.
#[derive(Debug, Module)]
pub struct ReduceLrOnPlateau {
    #[module(config)]
    goal: Goal,
    #[module(config)]
    threshold: Threshold,
    factor: f64,
    patience: usize,
    cooldown: usize,
    floor: f64,
    state: Param,
}

/// A drop smaller than this is not made.
const SMALLEST_DROP: f64 = 1e-8;

impl ReduceLrOnPlateau {
    /// A tenth after 10 observations without an improvement by 1e-4 of the best value.
    pub fn new(goal: Goal) -> ReduceLrOnPlateau {
        let worst = if goal == Goal::Min { f64::INFINITY } else { f64::NEG_INFINITY };
        ReduceLrOnPlateau {
            goal,
            threshold: Threshold::Relative(1e-4),
            factor: 0.1,
            patience: 10,
            cooldown: 0,
            floor: 0.0,
            state: Param::buffer(Tensor::from([worst, 0.0, 0.0, 0.0])),
        }
    }

    /// The factor of each drop.
    pub fn factor(self, factor: f64) -> ReduceLrOnPlateau {
        ReduceLrOnPlateau { factor, ..self }
    }

    /// How many observations in a row may fail to improve.
    pub fn patience(self, patience: usize) -> ReduceLrOnPlateau {
        ReduceLrOnPlateau { patience, ..self }
    }

    /// Observations after a drop that do not count.
    pub fn cooldown(self, cooldown: usize) -> ReduceLrOnPlateau {
        ReduceLrOnPlateau { cooldown, ..self }
    }

    /// The lowest rate.
    pub fn floor(self, floor: f64) -> ReduceLrOnPlateau {
        ReduceLrOnPlateau { floor, ..self }
    }

    /// What counts as an improvement.
    pub fn threshold(self, threshold: Threshold) -> ReduceLrOnPlateau {
        ReduceLrOnPlateau { threshold, ..self }
    }

    /// Takes note of the metric; call it once per epoch.
    pub fn observe(&self, metric: f64) {
        self.state.update(|state: &mut [f64]| {
            let [best, bad, cooldown, drops] = state else { unreachable!("four numbers") };
            if self.goal.is_better(metric, *best, self.threshold) {
                (*best, *bad) = (metric, 0.0);
            } else {
                *bad += 1.0;
            }
            if *cooldown > 0.0 {
                (*cooldown, *bad) = (*cooldown - 1.0, 0.0);
            }
            if *bad > self.patience as f64 {
                (*drops, *cooldown, *bad) = (*drops + 1.0, self.cooldown as f64, 0.0);
            }
        });
    }
}

impl Schedule for ReduceLrOnPlateau {
    /// The rate after the observations so far; the step does not matter.
    fn lr(&self, base: f64, _: usize) -> f64 {
        let drops = self.state.get().to_vec::<f64>()[3] as usize;
        (0..drops).fold(base, |lr, _| {
            let dropped = (lr * self.factor).max(self.floor);
            if lr - dropped > SMALLEST_DROP { dropped } else { lr }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::{Call, rates};
    use hadal_core::testing::Fixture;

    #[test]
    fn follows_pytorch() {
        for (name, case) in Fixture::read("schedules/ReduceLROnPlateau").cases {
            let call = Call::new(&name, &case);
            let number = |name, default| call.number_opt(name).unwrap_or(default);
            let goal = if call.word("mode") == Some("max") { Goal::Max } else { Goal::Min };
            let mut plateau = ReduceLrOnPlateau::new(goal)
                .factor(call.number("factor"))
                .patience(call.number("patience") as usize)
                .cooldown(number("cooldown", 0.0) as usize)
                .floor(number("min_lr", 0.0));
            if call.word("threshold_mode") == Some("abs") {
                plateau = plateau.threshold(Threshold::Absolute(call.number("threshold")));
            }
            for (step, metric) in case.tensors["metric"].to_vec::<f64>().into_iter().enumerate() {
                let (got, expected) = (plateau.lr(call.lr, step), rates(&case, "lr")[step]);
                assert!((got - expected).abs() <= 1e-12 * expected, "{name}: {got} at step {step}, not {expected}");
                plateau.observe(metric);
            }
        }
    }
}
