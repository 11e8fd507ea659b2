//! One long triangle (Smith and Topin, "Super-convergence", 2018, arXiv:1708.07120).

use super::{Anneal, Schedule};

/// Up from `max/25` to `max`, then down to almost nothing, over a whole run of `steps` steps; the momentum goes from
/// 0.95 to 0.85 and back. The optimizer's own rate is not used.
#[derive(Clone, Debug)]
pub struct OneCycleLr {
    max: f64,
    steps: usize,
    warmup: f64,
    anneal: Anneal,
    divisor: f64,
    final_divisor: f64,
    three_phases: bool,
    momenta: Option<(f64, f64)>,
}

impl OneCycleLr {
    /// Warms up for 30 % of the steps.
    pub fn new(max: f64, steps: usize) -> OneCycleLr {
        OneCycleLr {
            max,
            steps: steps.max(1),
            warmup: 0.3,
            anneal: Anneal::Cosine,
            divisor: 25.0,
            final_divisor: 1e4,
            three_phases: false,
            momenta: Some((0.85, 0.95)),
        }
    }

    /// The part of the steps (0 to 1) on the way up.
    pub fn warmup(self, part: f64) -> OneCycleLr {
        OneCycleLr { warmup: part, ..self }
    }

    /// The form of the slopes.
    pub fn anneal(self, anneal: Anneal) -> OneCycleLr {
        OneCycleLr { anneal, ..self }
    }

    /// The first rate is `max / first`, the last one `max / first / last`.
    pub fn divisors(self, first: f64, last: f64) -> OneCycleLr {
        OneCycleLr { divisor: first, final_divisor: last, ..self }
    }

    /// Down to the first rate in as many steps as up, and only then to the last.
    pub fn three_phases(self) -> OneCycleLr {
        OneCycleLr { three_phases: true, ..self }
    }

    /// The momentum at the highest and at the lowest rate.
    pub fn momentum(self, low: f64, high: f64) -> OneCycleLr {
        OneCycleLr { momenta: Some((low, high)), ..self }
    }

    /// Leaves the momentum alone.
    pub fn keep_momentum(self) -> OneCycleLr {
        OneCycleLr { momenta: None, ..self }
    }

    /// The value at `step` on the way `first → peak → last` (or `first → peak → first → last`).
    fn at(&self, step: usize, first: f64, peak: f64, last: f64) -> f64 {
        let (step, end) = (step as f64, self.steps as f64 - 1.0);
        let up = self.warmup * self.steps as f64 - 1.0;
        let corners: &[(f64, f64)] = match self.three_phases {
            true => &[(0.0, first), (up, peak), (2.0 * up, first), (end, last)],
            false => &[(0.0, first), (up, peak), (end, last)],
        };
        let leg = corners.windows(2).find(|leg| step <= leg[1].0);
        leg.map_or(last, |leg| self.anneal.at(leg[0].1, leg[1].1, (step - leg[0].0) / (leg[1].0 - leg[0].0)))
    }
}

impl Schedule for OneCycleLr {
    fn lr(&self, _: f64, step: usize) -> f64 {
        let first = self.max / self.divisor;
        self.at(step, first, self.max, first / self.final_divisor)
    }

    fn momentum(&self, step: usize) -> Option<f64> {
        self.momenta.map(|(low, high)| self.at(step, high, low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("OneCycleLR", |call| {
            let number = |name, default| call.number_opt(name).unwrap_or(default);
            let mut schedule = OneCycleLr::new(call.number("max_lr"), call.number("total_steps") as usize)
                .warmup(number("pct_start", 0.3))
                .divisors(number("div_factor", 25.0), number("final_div_factor", 1e4));
            if call.word("anneal_strategy") == Some("linear") {
                schedule = schedule.anneal(Anneal::Linear);
            }
            Box::new(if call.flag("three_phase") { schedule.three_phases() } else { schedule })
        });
    }
}
