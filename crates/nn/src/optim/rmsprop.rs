//! RMSprop (Hinton, lecture 6e of "Neural networks for machine learning", 2012), as PyTorch has it.

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use crate::compat;
use hadal_core::{Tensor, dispatch};

/// `p ← p − lr·g / (√s + eps)`, where `s` is a running mean of g²; centered, of its variance; with momentum `μ`,
/// `b ← μ·b + g/(√s + eps)` and `p ← p − lr·b`.
///
/// Keeps `square_avg`, and `grad_avg` or `momentum_buffer` where used.
#[derive(Clone, Debug)]
pub struct RmsProp {
    lr: f64,
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    centered: bool,
}

impl RmsProp {
    /// Alpha 0.99, eps 1e-8.
    #[track_caller]
    pub fn new(lr: f64) -> RmsProp {
        check("RmsProp", "learning rate", lr, None);
        RmsProp {
            lr,
            alpha: compat::current().choose(0.99, 0.9),
            eps: compat::current().choose(1e-8, 1e-7),
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
        }
    }

    /// How slowly the mean of squares forgets.
    #[track_caller]
    pub fn alpha(mut self, alpha: f64) -> RmsProp {
        check("RmsProp", "alpha", alpha, Some(1.0));
        self.alpha = alpha;
        self
    }

    /// What keeps the divisor from zero.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> RmsProp {
        check("RmsProp", "eps", eps, None);
        self.eps = eps;
        self
    }

    /// Adds `weight_decay · p` to the gradient.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> RmsProp {
        check("RmsProp", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    /// How much of the last direction is kept.
    #[track_caller]
    pub fn momentum(mut self, momentum: f64) -> RmsProp {
        check("RmsProp", "momentum", momentum, None);
        self.momentum = momentum;
        self
    }

    /// Divides by the standard deviation of the gradient instead of its root mean square.
    pub fn centered(mut self) -> RmsProp {
        self.centered = true;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor) {
        let [lr, alpha, fresh] = [self.lr, self.alpha, 1.0 - self.alpha].map(T::from_f64);
        let [eps, decay, mu] = [self.eps, self.weight_decay, self.momentum].map(T::from_f64);
        let decayed = |g: T, p: &T| g + decay * *p;
        let plain = |g: T, square: &mut T| {
            *square = alpha * *square + fresh * g * g;
            g / (square.sqrt() + eps)
        };
        let centered = |g: T, square: &mut T, mean: &mut T| {
            *square = alpha * *square + fresh * g * g;
            *mean = *mean + fresh * (g - *mean);
            g / ((*square - *mean * *mean).sqrt() + eps)
        };
        let moved = |p: &mut T, b: &mut T, direction: T| {
            *b = mu * *b + direction;
            *p = *p - lr * *b;
        };
        match (self.centered, self.momentum > 0.0) {
            (false, false) => slot.each(gradient, |g, [p, square]| *p = *p - lr * plain(decayed(g, p), square)),
            (true, false) => {
                slot.each(gradient, |g, [p, square, mean]| *p = *p - lr * centered(decayed(g, p), square, mean))
            }
            (false, true) => slot.each(gradient, |g, [p, square, b]| moved(p, b, plain(decayed(g, p), square))),
            (true, true) => {
                slot.each(gradient, |g, [p, square, mean, b]| moved(p, b, centered(decayed(g, p), square, mean)))
            }
        }
    }
}

impl Default for RmsProp {
    /// At the usual rate of 0.01.
    fn default() -> RmsProp {
        RmsProp::new(0.01)
    }
}

impl Rule for RmsProp {
    fn name(&self) -> &'static str {
        "RmsProp"
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

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        let names = [
            Some("square_avg"),
            self.centered.then_some("grad_avg"),
            (self.momentum > 0.0).then_some("momentum_buffer"),
        ];
        names.into_iter().flatten().map(|name| (name, value.zeros_like())).collect()
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
        // Centered, the variance is a difference of nearly equal numbers, which magnifies rounding errors.
        compare("RMSprop", 1e-9, |a| {
            let mut rule = RmsProp::new(a.float("lr"))
                .alpha(a.float_or("alpha", 0.99))
                .eps(a.float_or("eps", 1e-8))
                .weight_decay(a.float_or("weight_decay", 0.0))
                .momentum(a.float_or("momentum", 0.0));
            rule.centered = a.flag("centered");
            rule
        });
    }
}
