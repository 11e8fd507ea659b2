//! RAdam (Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, arXiv:1908.03265).

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use crate::power::power;
use hadal_core::{Tensor, dispatch};

/// Adam that begins as descent with momentum and turns adaptive as the mean square becomes trustworthy.
///
/// Keeps `exp_avg` and `exp_avg_sq`.
#[derive(Clone, Debug)]
pub struct RAdam {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
}

impl RAdam {
    /// Betas 0.9 and 0.999, eps 1e-8.
    #[track_caller]
    pub fn new(lr: f64) -> RAdam {
        check("RAdam", "learning rate", lr, None);
        RAdam { lr, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, decoupled: false }
    }

    /// How slowly the means of the gradient and of its square forget.
    #[track_caller]
    pub fn betas(mut self, first: f64, second: f64) -> RAdam {
        check("RAdam", "first beta", first, Some(1.0));
        check("RAdam", "second beta", second, Some(1.0));
        self.betas = (first, second);
        self
    }

    /// What keeps the divisor from zero.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> RAdam {
        check("RAdam", "eps", eps, None);
        self.eps = eps;
        self
    }

    /// Adds `weight_decay · p` to the gradient.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> RAdam {
        check("RAdam", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    /// Shrinks the parameter by the weight decay instead, as AdamW.
    pub fn decoupled(mut self) -> RAdam {
        self.decoupled = true;
        self
    }

    /// The paper's rectification of the rate times Adam's bias correction, or `None` while the variance of the
    /// adaptive rate is not tractable (ρₜ ≤ 5).
    fn rectification(&self, step: u64) -> Option<f64> {
        let beta2 = self.betas.1;
        let correction = 1.0 - power(beta2, step);
        let longest = 2.0 / (1.0 - beta2) - 1.0;
        let length = longest - 2.0 * step as f64 * power(beta2, step) / correction;
        (length > 5.0).then(|| {
            let rectified = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length);
            rectified.sqrt() * correction.sqrt()
        })
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        let (beta1, beta2) = self.betas;
        let size = self.lr / (1.0 - power(beta1, step));
        let (shrink, decay) = match self.decoupled {
            true => (1.0 - self.lr * self.weight_decay, 0.0),
            false => (1.0, self.weight_decay),
        };
        let [shrink, decay, eps] = [shrink, decay, self.eps].map(T::from_f64);
        let [fresh1, beta2, fresh2] = [1.0 - beta1, beta2, 1.0 - beta2].map(T::from_f64);
        let rectification = self.rectification(step);
        let size = T::from_f64(size * rectification.unwrap_or(1.0));
        let adaptive = rectification.is_some();
        slot.each(gradient, |g: T, [p, m, v]| {
            let g = g + decay * *p;
            *m = *m + fresh1 * (g - *m);
            *v = beta2 * *v + fresh2 * g * g;
            let direction = if adaptive { *m / (v.sqrt() + eps) } else { *m };
            *p = *p * shrink - size * direction;
        });
    }
}

impl Default for RAdam {
    /// At the usual rate of 1e-3.
    fn default() -> RAdam {
        RAdam::new(1e-3)
    }
}

impl Rule for RAdam {
    fn name(&self) -> &'static str {
        "RAdam"
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
        vec![("exp_avg", value.zeros_like()), ("exp_avg_sq", value.zeros_like())]
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
        compare("RAdam", 1e-12, |a| {
            let (first, second) = betas(a);
            let mut rule = RAdam::new(a.float("lr")).betas(first, second).weight_decay(a.float_or("weight_decay", 0.0));
            rule.decoupled = a.flag("decoupled_weight_decay");
            rule
        });
    }
}
