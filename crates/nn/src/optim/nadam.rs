//! NAdam (Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016).

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use crate::compat;
use crate::power::power;
use hadal_core::{Tensor, dispatch};

/// Adam that looks one step of momentum ahead; the momentum itself warms up as
/// `μₜ = β₁ · (1 − 0.96^(t · momentum_decay) / 2)`.
///
/// Keeps `exp_avg`, `exp_avg_sq` and `mu_product`, the product of all μ so far.
#[derive(Clone, Debug)]
pub struct NAdam {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    momentum_decay: f64,
}

impl NAdam {
    /// Betas 0.9 and 0.999, eps 1e-8, momentum decay 0.004.
    #[track_caller]
    pub fn new(lr: f64) -> NAdam {
        check("NAdam", "learning rate", lr, None);
        NAdam {
            lr,
            betas: (0.9, 0.999),
            eps: compat::current().choose(1e-8, 1e-7),
            weight_decay: 0.0,
            decoupled: false,
            momentum_decay: 4e-3,
        }
    }

    /// How slowly the means of the gradient and of its square forget.
    #[track_caller]
    pub fn betas(mut self, first: f64, second: f64) -> NAdam {
        check("NAdam", "first beta", first, Some(1.0));
        check("NAdam", "second beta", second, Some(1.0));
        self.betas = (first, second);
        self
    }

    /// What keeps the divisor from zero.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> NAdam {
        check("NAdam", "eps", eps, None);
        self.eps = eps;
        self
    }

    /// Adds `weight_decay · p` to the gradient.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> NAdam {
        check("NAdam", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    /// Shrinks the parameter by the weight decay instead, as AdamW.
    pub fn decoupled(mut self) -> NAdam {
        self.decoupled = true;
        self
    }

    /// How fast the momentum warms up.
    #[track_caller]
    pub fn momentum_decay(mut self, decay: f64) -> NAdam {
        check("NAdam", "momentum decay", decay, None);
        self.momentum_decay = decay;
        self
    }

    fn momentum_at(&self, step: u64) -> f64 {
        self.betas.0 * (1.0 - 0.5 * libm::pow(0.96, step as f64 * self.momentum_decay))
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        let (beta1, beta2) = self.betas;
        let (mu, next) = (self.momentum_at(step), self.momentum_at(step + 1));
        let mut product = 1.0;
        slot.moment("mu_product").update(|all: &mut [f64]| {
            all[0] *= mu;
            product = all[0];
        });
        let now = T::from_f64(self.lr * (1.0 - mu) / (1.0 - product));
        let ahead = T::from_f64(self.lr * next / (1.0 - product * next));
        let (shrink, decay) = match self.decoupled {
            true => (1.0 - self.lr * self.weight_decay, 0.0),
            false => (1.0, self.weight_decay),
        };
        let [shrink, decay, eps] = [shrink, decay, self.eps].map(T::from_f64);
        let [fresh1, beta2, fresh2] = [1.0 - beta1, beta2, 1.0 - beta2].map(T::from_f64);
        let correction = T::from_f64(1.0 - power(self.betas.1, step));
        slot.each(gradient, |g: T, [p, m, v]| {
            let g = g + decay * *p;
            *m = *m + fresh1 * (g - *m);
            *v = beta2 * *v + fresh2 * g * g;
            let divisor = (*v / correction).sqrt() + eps;
            *p = *p * shrink - now * (g / divisor) - ahead * (*m / divisor);
        });
    }
}

impl Default for NAdam {
    /// At the usual rate of 2e-3.
    fn default() -> NAdam {
        NAdam::new(2e-3)
    }
}

impl Rule for NAdam {
    fn name(&self) -> &'static str {
        "NAdam"
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
        let zeros = || value.zeros_like();
        vec![("exp_avg", zeros()), ("exp_avg_sq", zeros()), ("mu_product", Tensor::from(1.0f64))]
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
        // PyTorch rounds the product of the momenta to f32, which shows in the tenth digit.
        compare("NAdam", 1e-7, |a| {
            let (first, second) = betas(a);
            let mut rule = NAdam::new(a.float("lr"))
                .betas(first, second)
                .momentum_decay(a.float_or("momentum_decay", 4e-3))
                .weight_decay(a.float_or("weight_decay", 0.0));
            rule.decoupled = a.flag("decoupled_weight_decay");
            rule
        });
    }
}
