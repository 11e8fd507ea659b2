//! Adam (Kingma and Ba, ICLR 2015, arXiv:1412.6980) and AMSGrad (Reddi et al., ICLR 2018).

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use crate::compat;
use crate::power::power;
use hadal_core::{Tensor, dispatch};

/// `p ← p − lr·m̂ / (√v̂ + eps)`, where m̂ and v̂ are running means of the gradient and its square, corrected for
/// their start at zero.
///
/// Keeps `exp_avg` and `exp_avg_sq`, and with AMSGrad `max_exp_avg_sq`.
#[derive(Clone, Debug)]
pub struct Adam {
    pub(super) lr: f64,
    pub(super) betas: (f64, f64),
    pub(super) eps: f64,
    pub(super) weight_decay: f64,
    pub(super) decoupled: bool,
    pub(super) amsgrad: bool,
}

impl Adam {
    /// Betas 0.9 and 0.999, eps 1e-8 as in PyTorch (Keras has 1e-7).
    #[track_caller]
    pub fn new(lr: f64) -> Adam {
        check("Adam", "learning rate", lr, None);
        Adam {
            lr,
            betas: (0.9, 0.999),
            eps: compat::current().choose(1e-8, 1e-7),
            weight_decay: 0.0,
            decoupled: false,
            amsgrad: false,
        }
    }

    /// How slowly the means of the gradient and of its square forget.
    #[track_caller]
    pub fn betas(mut self, first: f64, second: f64) -> Adam {
        check("Adam", "first beta", first, Some(1.0));
        check("Adam", "second beta", second, Some(1.0));
        self.betas = (first, second);
        self
    }

    /// What keeps the divisor from zero.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Adam {
        check("Adam", "eps", eps, None);
        self.eps = eps;
        self
    }

    /// Adds `weight_decay · p` to the gradient; [`AdamW`](super::AdamW) shrinks the parameter instead.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Adam {
        check("Adam", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    /// Divides by the largest mean square so far.
    pub fn amsgrad(mut self) -> Adam {
        self.amsgrad = true;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        let (beta1, beta2) = self.betas;
        let size = T::from_f64(self.lr / (1.0 - power(beta1, step)));
        let correction = T::from_f64((1.0 - power(beta2, step)).sqrt());
        let [fresh1, beta2, fresh2] = [1.0 - beta1, beta2, 1.0 - beta2].map(T::from_f64);
        let (shrink, decay) = match self.decoupled {
            true => (1.0 - self.lr * self.weight_decay, 0.0),
            false => (1.0, self.weight_decay),
        };
        let [shrink, decay, eps] = [shrink, decay, self.eps].map(T::from_f64);
        let means = |g: T, p: &mut T, m: &mut T, v: &mut T| {
            let g = g + decay * *p;
            *p = *p * shrink;
            *m = *m + fresh1 * (g - *m);
            *v = beta2 * *v + fresh2 * g * g;
        };
        if self.amsgrad {
            slot.each(gradient, |g: T, [p, m, v, largest]| {
                means(g, p, m, v);
                *largest = largest.larger(*v);
                *p = *p - size * *m / (largest.sqrt() / correction + eps);
            });
        } else {
            slot.each(gradient, |g: T, [p, m, v]| {
                means(g, p, m, v);
                *p = *p - size * *m / (v.sqrt() / correction + eps);
            });
        }
    }
}

impl Default for Adam {
    /// At the usual rate of 1e-3.
    fn default() -> Adam {
        Adam::new(1e-3)
    }
}

impl Rule for Adam {
    fn name(&self) -> &'static str {
        if self.decoupled { "AdamW" } else { "Adam" }
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
        let mut moments = vec![("exp_avg", zeros()), ("exp_avg_sq", zeros())];
        if self.amsgrad {
            moments.push(("max_exp_avg_sq", zeros()));
        }
        moments
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
        compare("Adam", 1e-12, |a| {
            let (first, second) = betas(a);
            let mut rule = Adam::new(a.float_or("lr", 1e-3)).betas(first, second).eps(a.float_or("eps", 1e-8));
            rule.weight_decay = a.float_or("weight_decay", 0.0);
            rule.amsgrad = a.flag("amsgrad");
            rule
        });
    }
}
