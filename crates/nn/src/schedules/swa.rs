//! Down to the constant rate of weight averaging (Izmailov et al., UAI 2018, arXiv:1803.05407).

use super::{Anneal, Schedule};

/// From the rate to `constant` in `steps` steps, and then constant.
#[derive(Clone, Debug)]
pub struct SwaLr {
    constant: f64,
    steps: usize,
    anneal: Anneal,
}

impl SwaLr {
    /// Along half a cosine of 10 steps.
    pub fn new(constant: f64) -> SwaLr {
        SwaLr { constant, steps: 10, anneal: Anneal::Cosine }
    }

    /// Steps on the way down.
    pub fn steps(self, steps: usize) -> SwaLr {
        SwaLr { steps, ..self }
    }

    /// The form of the slope.
    pub fn anneal(self, anneal: Anneal) -> SwaLr {
        SwaLr { anneal, ..self }
    }
}

impl Schedule for SwaLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        let done = if step >= self.steps { 1.0 } else { step as f64 / self.steps as f64 };
        self.anneal.at(base, self.constant, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("SWALR", |call| {
            let schedule = SwaLr::new(call.number("swa_lr")).steps(call.number("anneal_epochs") as usize);
            let linear = call.word("anneal_strategy") == Some("linear");
            Box::new(schedule.anneal(if linear { Anneal::Linear } else { Anneal::Cosine }))
        });
    }
}
