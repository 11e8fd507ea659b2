//! Triangles between two rates (Smith, "Cyclical learning rates for training neural networks", WACV 2017).

use super::Schedule;
use crate::power::power;

/// How the height of the triangles changes.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Envelope {
    /// All are equal: `triangular`.
    #[default]
    Constant,
    /// Each is half as high as the last: `triangular2`.
    Halving,
    /// Falls by this factor at every step: `exp_range`.
    Exponential(f64),
}

/// The rate goes from `low` to `high` and back, and the momentum the other way; the optimizer's own rate is not used.
#[derive(Clone, Debug)]
pub struct CyclicLr {
    low: f64,
    high: f64,
    up: usize,
    down: usize,
    envelope: Envelope,
    momenta: Option<(f64, f64)>,
}

impl CyclicLr {
    /// `steps` steps up and as many down; the momentum goes from 0.9 to 0.8 and back.
    pub fn new(low: f64, high: f64, steps: usize) -> CyclicLr {
        let steps = steps.max(1);
        let (envelope, momenta) = (Envelope::Constant, Some((0.8, 0.9)));
        CyclicLr { low, high, up: steps, down: steps, envelope, momenta }
    }

    /// Another number of steps down.
    pub fn down(self, steps: usize) -> CyclicLr {
        CyclicLr { down: steps.max(1), ..self }
    }

    /// How the height changes.
    pub fn envelope(self, envelope: Envelope) -> CyclicLr {
        CyclicLr { envelope, ..self }
    }

    /// The momentum at the highest and at the lowest rate.
    pub fn momentum(self, low: f64, high: f64) -> CyclicLr {
        CyclicLr { momenta: Some((low, high)), ..self }
    }

    /// Leaves the momentum alone.
    pub fn keep_momentum(self) -> CyclicLr {
        CyclicLr { momenta: None, ..self }
    }

    /// How far up the triangle step `step` is, times the envelope.
    fn height(&self, step: usize) -> f64 {
        let (cycle, at) = (step / (self.up + self.down), step % (self.up + self.down));
        let part = match at.checked_sub(self.up) {
            None => at as f64 / self.up as f64,
            Some(past) => 1.0 - past as f64 / self.down as f64,
        };
        part * match self.envelope {
            Envelope::Constant => 1.0,
            Envelope::Halving => power(0.5, cycle as u64),
            Envelope::Exponential(gamma) => power(gamma, step as u64),
        }
    }
}

impl Schedule for CyclicLr {
    fn lr(&self, _: f64, step: usize) -> f64 {
        self.low + (self.high - self.low) * self.height(step)
    }

    fn momentum(&self, step: usize) -> Option<f64> {
        self.momenta.map(|(low, high)| high - (high - low) * self.height(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("CyclicLR", |call| {
            let up = call.number("step_size_up");
            let envelope = match call.word("mode") {
                Some("triangular2") => Envelope::Halving,
                Some("exp_range") => Envelope::Exponential(call.number("gamma")),
                _ => Envelope::Constant,
            };
            let schedule = CyclicLr::new(call.number("base_lr"), call.number("max_lr"), up as usize);
            Box::new(schedule.down(call.number_opt("step_size_down").unwrap_or(up) as usize).envelope(envelope))
        });
    }
}
