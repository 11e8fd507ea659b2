//! Averaged stochastic gradient descent (Polyak and Juditsky, SIAM J. Control Optim. 1992).

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use hadal_core::{Tensor, dispatch};

/// Descent at the falling rate `lr / (1 + lambd·lr·t)^alpha` that keeps the mean of the weights from step `start` on.
///
/// Keeps `ax`, the mean: read it with [`Slot::moment`].
#[derive(Clone, Debug)]
pub struct Asgd {
    lr: f64,
    lambd: f64,
    alpha: f64,
    start: f64,
    weight_decay: f64,
}

impl Asgd {
    /// Lambd 1e-4, alpha 0.75, averaging from step 1,000,000.
    #[track_caller]
    pub fn new(lr: f64) -> Asgd {
        check("Asgd", "learning rate", lr, None);
        Asgd { lr, lambd: 1e-4, alpha: 0.75, start: 1e6, weight_decay: 0.0 }
    }

    /// How fast the rate falls; parameters shrink by `lambd · rate` at each step.
    #[track_caller]
    pub fn lambd(mut self, lambd: f64) -> Asgd {
        check("Asgd", "lambd", lambd, None);
        self.lambd = lambd;
        self
    }

    /// The power of the fall.
    #[track_caller]
    pub fn alpha(mut self, alpha: f64) -> Asgd {
        check("Asgd", "alpha", alpha, None);
        self.alpha = alpha;
        self
    }

    /// The step from which weights are averaged.
    #[track_caller]
    pub fn start(mut self, step: f64) -> Asgd {
        check("Asgd", "start", step, None);
        self.start = step;
        self
    }

    /// Adds `weight_decay · p` to the gradient.
    #[track_caller]
    pub fn weight_decay(mut self, weight_decay: f64) -> Asgd {
        check("Asgd", "weight decay", weight_decay, None);
        self.weight_decay = weight_decay;
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor, step: u64) {
        let done = (step - 1) as f64;
        let eta = self.lr / libm::pow(1.0 + self.lambd * self.lr * done, self.alpha);
        let share = 1.0 / (done - self.start).max(1.0);
        let [eta, shrink, decay, share] = [eta, 1.0 - self.lambd * eta, self.weight_decay, share].map(T::from_f64);
        slot.each(gradient, |g: T, [p, mean]| {
            let g = g + decay * *p;
            *p = *p * shrink - eta * g;
            *mean = *mean + share * (*p - *mean);
        });
    }
}

impl Default for Asgd {
    /// At the usual rate of 0.01.
    fn default() -> Asgd {
        Asgd::new(0.01)
    }
}

impl Rule for Asgd {
    fn name(&self) -> &'static str {
        "Asgd"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        vec![("ax", value.zeros_like())]
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
        // PyTorch keeps the falling rate in f32, which shows in the eighth digit.
        compare("ASGD", 1e-6, |a| {
            Asgd::new(a.float("lr"))
                .lambd(a.float_or("lambd", 1e-4))
                .alpha(a.float_or("alpha", 0.75))
                .start(a.float_or("t0", 1e6))
                .weight_decay(a.float_or("weight_decay", 0.0))
        });
    }
}
