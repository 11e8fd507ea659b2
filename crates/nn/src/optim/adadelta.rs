//! Adadelta (Zeiler 2012, arXiv:1212.5701).

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use crate::compat;
use hadal_core::{Tensor, dispatch};

/// `p ← p − lr·Δ` with `Δ = √(d + eps) / √(s + eps) · g`, where `s` and `d` are running means of g² and Δ²: steps have
/// the parameter's own unit, and need no tuned rate.
///
/// Keeps `square_avg` and `acc_delta`.
#[derive(Clone, Debug)]
pub struct Adadelta {
    lr: f64,
    rho: f64,
    eps: f64,
    weight_decay: f64,
}

impl Adadelta {
    /// Rho 0.9, eps 1e-6; a rate of 1 is the paper's method.
    #[track_caller]
    pub fn new(lr: f64) -> Adadelta {
        check("Adadelta", "learning rate", lr, None);
        Adadelta {
            lr,
            rho: compat::current().choose(0.9, 0.95),
            eps: compat::current().choose(1e-6, 1e-7),
            weight_decay: 0.0,
        }
    }

    /// How slowly the means forget.
    #[track_caller]
    pub fn rho(mut self, rho: f64) -> Adadelta {
        check("Adadelta", "rho", rho, Some(1.0));
        self.rho = rho;
        self
    }

    /// What keeps the divisor from zero, and starts the first step.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Adadelta {
        check("Adadelta", "eps", eps, None);
        self.eps = eps;
        self
    }

    /// Adds `weight_decay · p` to the gradient.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Adadelta {
        check("Adadelta", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor) {
        let [lr, rho, fresh] = [self.lr, self.rho, 1.0 - self.rho].map(T::from_f64);
        let [eps, decay] = [self.eps, self.weight_decay].map(T::from_f64);
        slot.each(gradient, |g: T, [p, square, delta]| {
            let g = g + decay * *p;
            *square = rho * *square + fresh * g * g;
            let change = (*delta + eps).sqrt() / (*square + eps).sqrt() * g;
            *delta = rho * *delta + fresh * change * change;
            *p = *p - lr * change;
        });
    }
}

impl Default for Adadelta {
    /// At a rate of 1.
    fn default() -> Adadelta {
        Adadelta::new(1.0)
    }
}

impl Rule for Adadelta {
    fn name(&self) -> &'static str {
        "Adadelta"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        vec![("square_avg", value.zeros_like()), ("acc_delta", value.zeros_like())]
    }

    fn update(&self, slot: &Slot, gradient: &Tensor, _: u64) {
        dispatch!(reals gradient.dtype(), T => self.run::<T>(slot, gradient));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::compare;

    #[test]
    fn follows_pytorch() {
        compare("Adadelta", 1e-12, |a| {
            Adadelta::new(a.float_or("lr", 1.0))
                .rho(a.float_or("rho", 0.9))
                .eps(a.float_or("eps", 1e-6))
                .weight_decay(a.float_or("weight_decay", 0.0))
        });
    }
}
