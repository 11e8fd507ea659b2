//! Stochastic gradient descent with momentum (Sutskever et al., ICML 2013) and Nesterov's variant.

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use hadal_core::{Error, Param, Result, Tensor, dispatch};

/// `p ← p − lr·g`; with momentum `b ← μ·b + (1 − dampening)·g` and `p ← p − lr·b`.
///
/// Keeps `momentum_buffer`, which starts as the first gradient.
#[derive(Clone, Debug)]
pub struct Sgd {
    lr: f64,
    momentum: f64,
    dampening: f64,
    nesterov: bool,
    weight_decay: f64,
}

impl Sgd {
    /// Plain descent at this rate.
    #[track_caller]
    pub fn new(lr: f64) -> Sgd {
        check("Sgd", "learning rate", lr, None);
        Sgd { lr, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 }
    }

    /// How much of the last direction is kept: 0.9 is usual.
    #[track_caller]
    pub fn momentum(mut self, momentum: f64) -> Sgd {
        check("Sgd", "momentum", momentum, None);
        self.momentum = momentum;
        self
    }

    /// How much less the new gradient counts in the momentum.
    pub fn dampening(mut self, dampening: f64) -> Sgd {
        self.dampening = dampening;
        self
    }

    /// Looks one step of momentum ahead: `p ← p − lr·(g + μ·b)`. Needs momentum.
    pub fn nesterov(mut self) -> Sgd {
        self.nesterov = true;
        self
    }

    /// Adds `weight_decay · p` to the gradient (an L2 penalty).
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Sgd {
        check("Sgd", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        let [lr, mu, decay] = [self.lr, self.momentum, self.weight_decay].map(T::from_f64);
        if self.momentum == 0.0 {
            return slot.each(gradient, |g: T, [p]| *p = *p - lr * (g + decay * *p));
        }
        let fresh = T::from_f64(if step == 1 { 1.0 } else { 1.0 - self.dampening });
        let nesterov = self.nesterov;
        slot.each(gradient, |g: T, [p, b]| {
            let g = g + decay * *p;
            *b = mu * *b + fresh * g;
            *p = *p - lr * if nesterov { g + mu * *b } else { *b };
        });
    }
}

impl Rule for Sgd {
    fn name(&self) -> &'static str {
        "Sgd"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn set_momentum(&mut self, momentum: f64) {
        if self.momentum > 0.0 {
            self.momentum = momentum;
        }
    }

    fn accepts(&self, _: &Param) -> Result<()> {
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            let message = "with nesterov needs a momentum and no dampening: Sgd::new(lr).momentum(0.9).nesterov()";
            return Err(Error::op("Sgd", message));
        }
        Ok(())
    }

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        if self.momentum > 0.0 { vec![("momentum_buffer", value.zeros_like())] } else { Vec::new() }
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
        compare("SGD", 1e-12, |a| {
            let mut rule = Sgd::new(a.float("lr"))
                .momentum(a.float_or("momentum", 0.0))
                .dampening(a.float_or("dampening", 0.0))
                .weight_decay(a.float_or("weight_decay", 0.0));
            rule.nesterov = a.flag("nesterov");
            rule
        });
    }
}
