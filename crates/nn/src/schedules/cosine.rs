//! Half a cosine (Loshchilov and Hutter, "SGDR", ICLR 2017, arXiv:1608.03983).

use super::{Anneal, Schedule};

/// From the rate to `floor` along half a cosine of `steps` steps; beyond, the cosine rises again.
#[derive(Clone, Debug)]
pub struct CosineAnnealing {
    steps: usize,
    floor: f64,
}

impl CosineAnnealing {
    /// Down to 0 in `steps` steps.
    pub fn new(steps: usize) -> CosineAnnealing {
        CosineAnnealing { steps: steps.max(1), floor: 0.0 }
    }

    /// The lowest rate.
    pub fn floor(self, floor: f64) -> CosineAnnealing {
        CosineAnnealing { floor, ..self }
    }
}

impl Schedule for CosineAnnealing {
    fn lr(&self, base: f64, step: usize) -> f64 {
        Anneal::Cosine.at(base, self.floor, step as f64 / self.steps as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("CosineAnnealingLR", |call| {
            let floor = call.number_opt("eta_min").unwrap_or(0.0);
            Box::new(CosineAnnealing::new(call.number("T_max") as usize).floor(floor))
        });
    }
}
