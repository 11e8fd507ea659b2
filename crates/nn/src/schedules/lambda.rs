//! Any function of the step.

use super::Schedule;

/// The rate times `f(step)`.
pub struct LambdaLr<F>(F);

impl<F: Fn(usize) -> f64 + Send + Sync> LambdaLr<F> {
    /// The factor for each step, counted from 0.
    pub fn new(f: F) -> LambdaLr<F> {
        LambdaLr(f)
    }
}

impl<F: Fn(usize) -> f64 + Send + Sync> Schedule for LambdaLr<F> {
    fn lr(&self, base: f64, step: usize) -> f64 {
        base * (self.0)(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::recorded::compare;

    #[test]
    fn follows_pytorch() {
        compare("LambdaLR", |_| {
            Box::new(LambdaLr::new(|step| {
                let step = (step + 1) as f64;
                (1.0 / step.sqrt()).min(step / 64.0)
            }))
        });
    }
}
