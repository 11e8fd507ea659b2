//! Learning rates as functions of the epoch, and by plateau.

use super::monitor::{Better, Monitor};
use crate::callback::{Callback, State};
use hadal_core::{Error, Result, attempt};

/// Sets the learning rate before every epoch: `rate = f(epoch, rate)`.
pub struct LearningRateScheduler<F>(pub F);

impl<F: FnMut(usize, f64) -> f64> Callback for LearningRateScheduler<F> {
    fn on_epoch_begin(&mut self, state: &mut State) -> Result<()> {
        let rate = (self.0)(state.epoch, state.optimizer.lr());
        attempt(|| state.optimizer.set_lr(rate))
    }

    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        state.logs.set("learning_rate", state.optimizer.lr());
        Ok(())
    }
}

/// Multiplies the learning rate by `factor` when the monitored number has not improved for `patience` epochs.
#[derive(Clone, Debug)]
pub struct ReduceLrOnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    cooldown: usize,
    min_rate: f64,
    waited: usize,
    cooling: usize,
}

impl ReduceLrOnPlateau {
    /// Keras' defaults: factor 0.1, patience 10, `min_delta` 1e-4, no cooldown, no minimum.
    pub fn new(monitor: &str) -> ReduceLrOnPlateau {
        let monitor = Monitor { min_delta: 1e-4, ..Monitor::new(monitor) };
        ReduceLrOnPlateau { monitor, factor: 0.1, patience: 10, cooldown: 0, min_rate: 0.0, waited: 0, cooling: 0 }
    }

    /// The factor, below 1.
    ///
    /// # Panics
    /// If it is not between 0 and 1.
    #[track_caller]
    pub fn factor(mut self, factor: f64) -> Self {
        if !(0.0..1.0).contains(&factor) {
            Error::op("reduce on plateau", format!("needs a factor from 0 to below 1, got {factor}")).raise();
        }
        self.factor = factor;
        self
    }

    /// The number of epochs without improvement to wait for.
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// Counts only changes larger than this as improvement.
    pub fn min_delta(mut self, delta: f64) -> Self {
        self.monitor.min_delta = delta.abs();
        self
    }

    /// Says which direction is better, when the name does not tell.
    pub fn better(mut self, better: Better) -> Self {
        self.monitor.better = better;
        self
    }

    /// The number of epochs after a reduction that do not count.
    pub fn cooldown(mut self, epochs: usize) -> Self {
        self.cooldown = epochs;
        self
    }

    /// Never goes below this rate.
    pub fn min_rate(mut self, rate: f64) -> Self {
        self.min_rate = rate;
        self
    }
}

impl Callback for ReduceLrOnPlateau {
    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        let value = self.monitor.value("reduce on plateau", state.logs)?;
        state.logs.set("learning_rate", state.optimizer.lr());
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if self.monitor.improves(value) {
            self.waited = 0;
        } else if self.cooling == 0 {
            self.waited += 1;
            let rate = state.optimizer.lr();
            if self.waited >= self.patience && rate > self.min_rate {
                state.optimizer.set_lr((rate * self.factor).max(self.min_rate));
                self.cooling = self.cooldown;
                self.waited = 0;
            }
        }
        Ok(())
    }
}
