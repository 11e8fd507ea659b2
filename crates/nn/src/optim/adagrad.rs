//! Adagrad (Duchi, Hazan and Singer, JMLR 2011).

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use crate::compat;
use hadal_core::{Tensor, dispatch};

/// `p ← p − lr·g / (√s + eps)`, where `s` sums the squares of all gradients.
///
/// Keeps `sum`.
#[derive(Clone, Debug)]
pub struct Adagrad {
    lr: f64,
    lr_decay: f64,
    initial: f64,
    eps: f64,
    weight_decay: f64,
}

impl Adagrad {
    /// Eps 1e-10, the sums start at 0.
    #[track_caller]
    pub fn new(lr: f64) -> Adagrad {
        check("Adagrad", "learning rate", lr, None);
        Adagrad {
            lr,
            lr_decay: 0.0,
            initial: compat::current().choose(0.0, 0.1),
            eps: compat::current().choose(1e-10, 1e-7),
            weight_decay: 0.0,
        }
    }

    /// Divides the rate by `1 + decay · (step − 1)`.
    #[track_caller]
    pub fn lr_decay(mut self, decay: f64) -> Adagrad {
        check("Adagrad", "rate decay", decay, None);
        self.lr_decay = decay;
        self
    }

    /// Where the sums of squares start.
    #[track_caller]
    pub fn initial_accumulator(mut self, value: f64) -> Adagrad {
        check("Adagrad", "initial accumulator", value, None);
        self.initial = value;
        self
    }

    /// What keeps the divisor from zero.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Adagrad {
        check("Adagrad", "eps", eps, None);
        self.eps = eps;
        self
    }

    /// Adds `weight_decay · p` to the gradient.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Adagrad {
        check("Adagrad", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        let lr = self.lr / (1.0 + (step - 1) as f64 * self.lr_decay);
        let [lr, eps, decay] = [lr, self.eps, self.weight_decay].map(T::from_f64);
        slot.each(gradient, |g: T, [p, sum]| {
            let g = g + decay * *p;
            *sum = *sum + g * g;
            *p = *p - lr * (g / (sum.sqrt() + eps));
        });
    }
}

impl Rule for Adagrad {
    fn name(&self) -> &'static str {
        "Adagrad"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        vec![("sum", value.full_like(self.initial))]
    }

    fn update(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        dispatch!(reals gradient.dtype(), T => self.run::<T>(slot, gradient, step));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::compare;

    #[test]
    fn follows_pytorch() {
        compare("Adagrad", 1e-12, |a| {
            Adagrad::new(a.float("lr"))
                .lr_decay(a.float_or("lr_decay", 0.0))
                .initial_accumulator(a.float_or("initial_accumulator_value", 0.0))
                .eps(a.float_or("eps", 1e-10))
                .weight_decay(a.float_or("weight_decay", 0.0))
        });
    }
}
