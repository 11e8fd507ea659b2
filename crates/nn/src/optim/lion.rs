//! Lion (Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, arXiv:2302.06675).

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use hadal_core::{Tensor, dispatch};

/// `p ← p·(1 − lr·weight_decay) − lr·sign(β₁·m + (1 − β₁)·g)`: every element moves by the same amount.
///
/// Keeps `exp_avg`, half of what Adam keeps. The rate should be 3 to 10 times smaller than Adam's.
#[derive(Clone, Debug)]
pub struct Lion {
    lr: f64,
    betas: (f64, f64),
    weight_decay: f64,
}

impl Lion {
    /// Betas 0.9 and 0.99.
    #[track_caller]
    pub fn new(lr: f64) -> Lion {
        check("Lion", "learning rate", lr, None);
        Lion { lr, betas: (0.9, 0.99), weight_decay: 0.0 }
    }

    /// How much of the mean goes into the direction, and how slowly the mean forgets.
    #[track_caller]
    pub fn betas(mut self, first: f64, second: f64) -> Lion {
        check("Lion", "first beta", first, Some(1.0));
        check("Lion", "second beta", second, Some(1.0));
        self.betas = (first, second);
        self
    }

    /// The share of a parameter that a step at rate 1 takes away.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Lion {
        check("Lion", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor) {
        let (beta1, beta2) = self.betas;
        let [lr, shrink] = [self.lr, 1.0 - self.lr * self.weight_decay].map(T::from_f64);
        let [beta1, fresh1, beta2, fresh2] = [beta1, 1.0 - beta1, beta2, 1.0 - beta2].map(T::from_f64);
        slot.each(gradient, |g: T, [p, m]| {
            let direction = (beta1 * *m + fresh1 * g).sign();
            *p = *p * shrink - lr * direction;
            *m = beta2 * *m + fresh2 * g;
        });
    }
}

impl Default for Lion {
    /// At the usual rate of 1e-4.
    fn default() -> Lion {
        Lion::new(1e-4)
    }
}

impl Rule for Lion {
    fn name(&self) -> &'static str {
        "Lion"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn set_momentum(&mut self, momentum: f64) {
        self.betas.0 = momentum;
    }

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        vec![("exp_avg", value.zeros_like())]
    }

    fn update(&self, slot: &Slot, gradient: &Tensor, _: u64) {
        dispatch!(reals gradient.dtype(), T => self.run::<T>(slot, gradient));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::{betas_or, compare};

    #[test]
    fn follows_the_paper() {
        compare("Lion", 1e-12, |a| {
            let (first, second) = betas_or(a, (0.9, 0.99));
            Lion::new(a.float_or("lr", 1e-4)).betas(first, second).weight_decay(a.float_or("weight_decay", 0.0))
        });
    }
}
