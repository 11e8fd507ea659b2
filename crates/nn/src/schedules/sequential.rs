//! One schedule after another.

use super::Schedule;

/// Schedules in turn, each from its own beginning. [`Schedule::then`] makes one.
pub struct SequentialLr {
    /// Each schedule with the step at which it begins.
    parts: Vec<(usize, Box<dyn Schedule>)>,
}

impl SequentialLr {
    /// Begins with `first`.
    pub fn new(first: impl Schedule + 'static) -> SequentialLr {
        SequentialLr { parts: vec![(0, Box::new(first))] }
    }

    /// Changes to `next` after `steps` more steps.
    pub fn then(mut self, steps: usize, next: impl Schedule + 'static) -> SequentialLr {
        let begun = self.parts.last().map_or(0, |part| part.0);
        self.parts.push((begun + steps, Box::new(next)));
        self
    }

    fn part(&self, step: usize) -> (&dyn Schedule, usize) {
        let last = self.parts.iter().rposition(|(begin, _)| *begin <= step).unwrap_or(0);
        let (begin, schedule) = &self.parts[last];
        (&**schedule, step - begin)
    }
}

impl Schedule for SequentialLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        let (schedule, step) = self.part(step);
        schedule.lr(base, step)
    }

    fn momentum(&self, step: usize) -> Option<f64> {
        let (schedule, step) = self.part(step);
        schedule.momentum(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;
    use crate::schedules::{ConstantLr, CosineAnnealing, ExponentialLr, LinearLr, StepLr};

    #[test]
    fn follows_pytorch() {
        compare("SequentialLR", |call| match call.case {
            "warmup_then_cosine" => Box::new(LinearLr::new(0.1, 1.0, 10).then(10, CosineAnnealing::new(50))),
            "three" => Box::new(ConstantLr::new(0.1, 5).then(5, ExponentialLr::new(0.9)).then(20, StepLr::new(10))),
            other => panic!("no schedule is known for the case {other}"),
        });
    }
}
