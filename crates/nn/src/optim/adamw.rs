//! AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, arXiv:1711.05101).

use super::{Adam, Moment, Rule, Slot};
use hadal_core::Tensor;

/// [`Adam`] that shrinks each parameter by `lr · weight_decay` instead of adding the decay to the gradient.
#[derive(Clone, Debug)]
pub struct AdamW(Adam);

impl AdamW {
    /// Betas 0.9 and 0.999, eps 1e-8, weight decay 0.01.
    #[track_caller]
    pub fn new(lr: f64) -> AdamW {
        AdamW(Adam { decoupled: true, weight_decay: 0.01, ..Adam::new(lr) })
    }

    /// How slowly the means of the gradient and of its square forget.
    #[track_caller]
    pub fn betas(self, first: f64, second: f64) -> AdamW {
        AdamW(self.0.betas(first, second))
    }

    /// What keeps the divisor from zero.
    #[track_caller]
    pub fn eps(self, eps: f64) -> AdamW {
        AdamW(self.0.eps(eps))
    }

    /// The share of a parameter that a step at rate 1 takes away.
    #[track_caller]
    pub fn weight_decay(self, weight_decay: f64) -> AdamW {
        AdamW(self.0.weight_decay(weight_decay))
    }

    /// Divides by the largest mean square so far.
    pub fn amsgrad(self) -> AdamW {
        AdamW(self.0.amsgrad())
    }
}

impl Default for AdamW {
    /// At the usual rate of 1e-3.
    fn default() -> AdamW {
        AdamW::new(1e-3)
    }
}

impl Rule for AdamW {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn lr(&self) -> f64 {
        self.0.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.0.lr = lr;
    }

    fn set_momentum(&mut self, momentum: f64) {
        self.0.set_momentum(momentum);
    }

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        self.0.moments(value)
    }

    fn update(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        self.0.update(slot, gradient, step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::{betas, compare};

    #[test]
    fn follows_pytorch() {
        compare("AdamW", 1e-12, |a| {
            let (first, second) = betas(a);
            let mut rule = AdamW::new(a.float_or("lr", 1e-3)).betas(first, second);
            rule = rule.weight_decay(a.float_or("weight_decay", 0.01));
            if a.flag("amsgrad") { rule.amsgrad() } else { rule }
        });
    }
}
