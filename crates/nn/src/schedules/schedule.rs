//! What a schedule is.

use super::{ChainedLr, SequentialLr};
use std::f64::consts::PI;

/// A learning rate (and perhaps momentum) as a function of the step, which counts from 0.
pub trait Schedule: Send + Sync {
    /// The rate for step `step` of a group whose rate would be `base` without a schedule.
    fn lr(&self, base: f64, step: usize) -> f64;

    /// The momentum for step `step`, if the schedule cycles it.
    fn momentum(&self, _step: usize) -> Option<f64> {
        None
    }

    /// This schedule for `steps` steps, then `next` from its beginning.
    fn then(self, steps: usize, next: impl Schedule + 'static) -> SequentialLr
    where
        Self: Sized + 'static,
    {
        SequentialLr::new(self).then(steps, next)
    }

    /// Both at once: `other` applied to this schedule's rate.
    fn and(self, other: impl Schedule + 'static) -> ChainedLr
    where
        Self: Sized + 'static,
    {
        ChainedLr::new(self).and(other)
    }
}

impl Schedule for Box<dyn Schedule> {
    fn lr(&self, base: f64, step: usize) -> f64 {
        (**self).lr(base, step)
    }

    fn momentum(&self, step: usize) -> Option<f64> {
        (**self).momentum(step)
    }
}

/// How a value moves from a start to an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Anneal {
    /// Along half a cosine: slowly at both ends.
    #[default]
    Cosine,
    /// Along a straight line.
    Linear,
}

impl Anneal {
    /// The value a part `done` (0 to 1) of the way from `start` to `end`.
    pub(super) fn at(self, start: f64, end: f64, done: f64) -> f64 {
        match self {
            Anneal::Cosine => end + (start - end) / 2.0 * (1.0 + libm::cos(PI * done)),
            Anneal::Linear => start + (end - start) * done,
        }
    }
}
