//! A factor per step, each on top of the last.

use super::Schedule;

/// The rate times `f(1) · f(2) · … · f(step)`.
pub struct MultiplicativeLr<F>(F);

impl<F: Fn(usize) -> f64 + Send + Sync> MultiplicativeLr<F> {
    /// The factor by which step `i` differs from the step before.
    pub fn new(f: F) -> MultiplicativeLr<F> {
        MultiplicativeLr(f)
    }
}

impl<F: Fn(usize) -> f64 + Send + Sync> Schedule for MultiplicativeLr<F> {
    fn lr(&self, base: f64, step: usize) -> f64 {
        (1..=step).fold(base, |lr, i| lr * (self.0)(i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("MultiplicativeLR", |_| Box::new(MultiplicativeLr::new(|step| if step % 2 == 1 { 0.98 } else { 0.9 })));
    }
}
