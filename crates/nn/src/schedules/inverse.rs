//! Rates that fall as 1/t and as 1/√t.

use super::Schedule;

/// `base / (1 + rate · step / every)`, as Keras' `InverseTimeDecay`.
#[derive(Clone, Debug)]
pub struct InverseTimeLr {
    rate: f64,
    every: f64,
}

impl InverseTimeLr {
    /// Half the rate after `1/rate` steps.
    pub fn new(rate: f64) -> InverseTimeLr {
        InverseTimeLr { rate, every: 1.0 }
    }

    /// Counts in units of this many steps.
    pub fn every(self, steps: usize) -> InverseTimeLr {
        InverseTimeLr { every: steps.max(1) as f64, ..self }
    }
}

impl Schedule for InverseTimeLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        base / (1.0 + self.rate * step as f64 / self.every)
    }
}

/// A linear warm-up to `base`, then `base · √(warmup / step)` (Vaswani et al. 2017, section 5.3, up to a constant).
#[derive(Clone, Debug)]
pub struct InverseSquareRootLr {
    warmup: f64,
}

impl InverseSquareRootLr {
    /// Reaches the full rate at step `warmup − 1`.
    pub fn new(warmup: usize) -> InverseSquareRootLr {
        InverseSquareRootLr { warmup: warmup.max(1) as f64 }
    }
}

impl Schedule for InverseSquareRootLr {
    fn lr(&self, base: f64, step: usize) -> f64 {
        let step = (step + 1) as f64;
        base * (step / self.warmup).min((self.warmup / step).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the formulas by hand.
    #[test]
    fn falls_as_the_formula_says() {
        let time = InverseTimeLr::new(0.5).every(2);
        assert_eq!([0, 2, 4, 12].map(|step| time.lr(1.0, step)), [1.0, 1.0 / 1.5, 0.5, 0.25]);
        let root = InverseSquareRootLr::new(4);
        assert_eq!([0, 3, 15, 63].map(|step| root.lr(1.0, step)), [0.25, 1.0, 0.5, 0.25]);
    }
}
