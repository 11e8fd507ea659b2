//! LAMB (You et al., "Large batch optimization for deep learning", ICLR 2020, arXiv:1904.00962, algorithm 2).

use super::rule::check;
use super::{Moment, Norm, Real, Rule, Slot};
use crate::power::power;
use hadal_core::{Tensor, dispatch, no_grad};

/// AdamW whose step for each parameter tensor is scaled to the tensor's own size: `p ← p − lr · ‖p‖/‖r‖ · r`, where `r` is
/// Adam's direction plus `weight_decay · p`. Where one of the norms is zero the scale is 1.
///
/// Keeps `exp_avg` and `exp_avg_sq`.
#[derive(Clone, Debug)]
pub struct Lamb {
    lr: f64,
    betas: (f64, f64),
    eps: f64,
    weight_decay: f64,
}

impl Lamb {
    /// Betas 0.9 and 0.999, eps 1e-6, no weight decay.
    #[track_caller]
    pub fn new(lr: f64) -> Lamb {
        check("Lamb", "learning rate", lr, None);
        Lamb { lr, betas: (0.9, 0.999), eps: 1e-6, weight_decay: 0.0 }
    }

    /// How slowly the means of the gradient and of its square forget.
    #[track_caller]
    pub fn betas(mut self, first: f64, second: f64) -> Lamb {
        check("Lamb", "first beta", first, Some(1.0));
        check("Lamb", "second beta", second, Some(1.0));
        self.betas = (first, second);
        self
    }

    /// What keeps the divisor from zero.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Lamb {
        check("Lamb", "eps", eps, None);
        self.eps = eps;
        self
    }

    /// How much of the parameter is in the direction.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Lamb {
        check("Lamb", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        let (beta1, beta2) = self.betas;
        let [b1, fresh1, b2, fresh2] = [beta1, 1.0 - beta1, beta2, 1.0 - beta2].map(T::from_f64);
        slot.each(gradient, |g: T, [_, m, v]| {
            *m = b1 * *m + fresh1 * g;
            *v = b2 * *v + fresh2 * g * g;
        });
        let (m, v) = (slot.moment("exp_avg").get(), slot.moment("exp_avg_sq").get());
        let value = slot.param().get();
        let divisor = v.div(1.0 - power(beta2, step)).sqrt().add(self.eps);
        let direction = m.div(1.0 - power(beta1, step)).div(divisor).add(value.mul(self.weight_decay));
        let (size, length) = (Norm::L2.of(&value), Norm::L2.of(&direction));
        // The update below writes in place when nobody else holds the bytes.
        drop((m, v, value));
        let trust = if size > 0.0 && length > 0.0 { size / length } else { 1.0 };
        let scale = T::from_f64(self.lr * trust);
        slot.each(&direction, |r: T, [p]| *p = *p - scale * r);
    }
}

impl Default for Lamb {
    /// At the usual rate of 1e-3.
    fn default() -> Lamb {
        Lamb::new(1e-3)
    }
}

impl Rule for Lamb {
    fn name(&self) -> &'static str {
        "Lamb"
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
        no_grad(|| dispatch!(reals gradient.dtype(), T => self.run::<T>(slot, gradient, step)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::trajectory::{betas, compare};

    #[test]
    fn follows_the_paper() {
        compare("LAMB", 1e-12, |a| {
            let (first, second) = betas(a);
            let rule = Lamb::new(a.float_or("lr", 1e-3)).betas(first, second).eps(a.float_or("eps", 1e-6));
            rule.weight_decay(a.float_or("weight_decay", 0.0))
        });
    }
}
