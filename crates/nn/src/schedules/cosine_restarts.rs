//! Half cosines that start again (Loshchilov and Hutter, "SGDR", ICLR 2017, arXiv:1608.03983).

use super::{Anneal, Schedule};

/// Half a cosine from the rate to `floor`, again and again, each `growth` times as long as the last.
#[derive(Clone, Debug)]
pub struct CosineWarmRestarts {
    first: usize,
    growth: usize,
    floor: f64,
}

impl CosineWarmRestarts {
    /// Cycles of `first` steps, down to 0.
    pub fn new(first: usize) -> CosineWarmRestarts {
        CosineWarmRestarts { first: first.max(1), growth: 1, floor: 0.0 }
    }

    /// Each cycle is this many times as long as the one before.
    pub fn growth(self, growth: usize) -> CosineWarmRestarts {
        CosineWarmRestarts { growth: growth.max(1), ..self }
    }

    /// The lowest rate.
    pub fn floor(self, floor: f64) -> CosineWarmRestarts {
        CosineWarmRestarts { floor, ..self }
    }
}

impl Schedule for CosineWarmRestarts {
    fn lr(&self, base: f64, step: usize) -> f64 {
        let (mut begun, mut length) = (0, self.first);
        if self.growth == 1 {
            begun = step / length * length;
        }
        while step - begun >= length {
            begun += length;
            length *= self.growth;
        }
        Anneal::Cosine.at(base, self.floor, (step - begun) as f64 / length as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("CosineAnnealingWarmRestarts", |call| {
            let schedule = CosineWarmRestarts::new(call.number("T_0") as usize);
            let growth = call.number_opt("T_mult").unwrap_or(1.0) as usize;
            Box::new(schedule.growth(growth).floor(call.number_opt("eta_min").unwrap_or(0.0)))
        });
    }
}
