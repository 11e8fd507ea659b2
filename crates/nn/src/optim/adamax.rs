//! Adamax (Kingma and Ba, ICLR 2015, section 7.1): Adam with the infinity norm.

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use crate::compat;
use crate::power::power;
use hadal_core::{Tensor, dispatch};

/// `p ← p − lr·m̂ / u`, where `u` is the largest recent magnitude of the gradient.
///
/// Keeps `exp_avg` and `exp_inf`.
#[derive(Clone, Debug)]
pub struct Adamax {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
}

impl Adamax {
    /// Betas 0.9 and 0.999, eps 1e-8.
    #[track_caller]
    pub fn new(lr: f64) -> Adamax {
        check("Adamax", "learning rate", lr, None);
        Adamax { lr, betas: (0.9, 0.999), eps: compat::current().choose(1e-8, 1e-7), weight_decay: 0.0 }
    }

    /// How slowly the mean of the gradient and its largest magnitude forget.
    #[track_caller]
    pub fn betas(mut self, first: f64, second: f64) -> Adamax {
        check("Adamax", "first beta", first, Some(1.0));
        check("Adamax", "second beta", second, Some(1.0));
        self.betas = (first, second);
        self
    }

    /// What keeps the divisor from zero.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Adamax {
        check("Adamax", "eps", eps, None);
        self.eps = eps;
        self
    }

    /// Adds `weight_decay · p` to the gradient.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Adamax {
        check("Adamax", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        let (beta1, beta2) = self.betas;
        let size = T::from_f64(self.lr / (1.0 - power(beta1, step)));
        let [fresh1, beta2, eps, decay] = [1.0 - beta1, beta2, self.eps, self.weight_decay].map(T::from_f64);
        slot.each(gradient, |g: T, [p, m, u]| {
            let g = g + decay * *p;
            *m = *m + fresh1 * (g - *m);
            *u = (beta2 * *u).larger(g.abs() + eps);
            *p = *p - size * (*m / *u);
        });
    }
}

impl Default for Adamax {
    /// At the usual rate of 2e-3.
    fn default() -> Adamax {
        Adamax::new(2e-3)
    }
}

impl Rule for Adamax {
    fn name(&self) -> &'static str {
        "Adamax"
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
        vec![("exp_avg", value.zeros_like()), ("exp_inf", value.zeros_like())]
    }

    fn update(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        dispatch!(reals gradient.dtype(), T => self.run::<T>(slot, gradient, step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::{betas, compare};

    #[test]
    fn follows_pytorch() {
        compare("Adamax", 1e-12, |a| {
            let (first, second) = betas(a);
            Adamax::new(a.float("lr")).betas(first, second).weight_decay(a.float_or("weight_decay", 0.0))
        });
    }
}
