//! Rprop (Riedmiller and Braun, ICNN 1993): a step size per element, by the sign of the gradient alone.

use super::rule::check;
use super::{Moment, Real, Rule, Slot};
use hadal_core::{Tensor, dispatch};

/// Each element moves by its own step against the gradient's sign; the step grows while the sign stays, and shrinks,
/// without a move, when it changes. For whole batches only.
///
/// Keeps `prev` and `step_size`, which starts at the learning rate.
#[derive(Clone, Debug)]
pub struct Rprop {
    lr: f64,
    etas: (f64, f64),
    sizes: (f64, f64),
}

impl Rprop {
    /// Shrinks by 0.5 and grows by 1.2, between 1e-6 and 50.
    #[track_caller]
    pub fn new(lr: f64) -> Rprop {
        check("Rprop", "learning rate", lr, None);
        Rprop { lr, etas: (0.5, 1.2), sizes: (1e-6, 50.0) }
    }

    /// The factors by which a step shrinks and grows.
    #[track_caller]
    pub fn etas(mut self, shrink: f64, grow: f64) -> Rprop {
        check("Rprop", "shrinking factor", shrink, Some(1.0));
        check("Rprop", "growing factor", grow, None);
        self.etas = (shrink, grow);
        self
    }

    /// The least and the largest step.
    #[track_caller]
    pub fn step_sizes(mut self, least: f64, largest: f64) -> Rprop {
        check("Rprop", "least step", least, None);
        check("Rprop", "largest step", largest, None);
        self.sizes = (least, largest);
        self
    }

    fn run<T: Real>(&self, slot: &Slot, gradient: &Tensor) {
        let [shrink, grow] = [self.etas.0, self.etas.1].map(T::from_f64);
        let [least, largest] = [self.sizes.0, self.sizes.1].map(T::from_f64);
        let zero = T::default();
        slot.each(gradient, |g: T, [p, previous, size]| {
            let agreement = g * *previous;
            let factor = if agreement > zero { grow } else { shrink };
            if agreement != zero {
                let changed = *size * factor;
                *size = if changed < least {
                    least
                } else if changed > largest {
                    largest
                } else {
                    changed
                };
            }
            let g = if agreement < zero { zero } else { g };
            *p = *p - g.sign() * *size;
            *previous = g;
        });
    }
}

impl Default for Rprop {
    /// At the usual first step of 0.01.
    fn default() -> Rprop {
        Rprop::new(0.01)
    }
}

impl Rule for Rprop {
    fn name(&self) -> &'static str {
        "Rprop"
    }

    fn lr(&self) -> f64 {
        self.lr
    }

    fn set_lr(&mut self, lr: f64) {
        self.lr = lr;
    }

    fn moments(&self, value: &Tensor) -> Vec<Moment> {
        vec![("prev", value.zeros_like()), ("step_size", value.full_like(self.lr))]
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
        compare("Rprop", 1e-12, |a| {
            let pair = |name| a.get(name).map(|v| (v[0].as_f64().unwrap(), v[1].as_f64().unwrap()));
            let mut rule = Rprop::new(a.float("lr"));
            rule.etas = pair("etas").unwrap_or(rule.etas);
            rule.sizes = pair("step_sizes").unwrap_or(rule.sizes);
            rule
        });
    }
}
