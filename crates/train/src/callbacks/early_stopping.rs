//! Stop when a number no longer improves (Prechelt 1998).

use super::monitor::{Better, Monitor};
use crate::callback::{Callback, State};
use hadal_core::{ModuleExt, Param, Result, Tensor};
use std::io::{Write, stderr};

/// Stops training when the monitored number has not improved for `patience` epochs.
#[derive(Clone, Debug)]
pub struct EarlyStopping {
    monitor: Monitor,
    patience: usize,
    start_from: usize,
    restore: bool,
    waited: usize,
    best_epoch: usize,
    best_state: Vec<(Param, Tensor)>,
}

impl EarlyStopping {
    /// Monitors a logged number such as `val_loss`, with patience 0: stops at the first epoch without improvement.
    pub fn new(monitor: &str) -> EarlyStopping {
        EarlyStopping {
            monitor: Monitor::new(monitor),
            patience: 0,
            start_from: 0,
            restore: false,
            waited: 0,
            best_epoch: 0,
            best_state: Vec::new(),
        }
    }

    /// Waits this many epochs without improvement.
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

    /// Does not look at the first epochs.
    pub fn start_from_epoch(mut self, epoch: usize) -> Self {
        self.start_from = epoch;
        self
    }

    /// Puts the best epoch's weights back when training ends, whatever ended it.
    pub fn restore_best_weights(mut self) -> Self {
        self.restore = true;
        self
    }
}

impl Callback for EarlyStopping {
    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        if state.epoch < self.start_from {
            return Ok(());
        }
        let value = self.monitor.value("early stopping", state.logs)?;
        if self.monitor.improves(value) {
            self.waited = 0;
            self.best_epoch = state.epoch;
            if self.restore {
                // Shares the bytes: the optimizer copies before it changes them.
                self.best_state = state.model.named_state().into_iter().map(|(_, p)| (p.clone(), p.get())).collect();
            }
            return Ok(());
        }
        self.waited += 1;
        if self.waited > self.patience.max(1) - 1 {
            state.stop(format!("Epoch {}: early stopping", state.epoch + 1));
        }
        Ok(())
    }

    fn on_train_end(&mut self, _: &mut State) -> Result<()> {
        if !self.best_state.is_empty() {
            let epoch = self.best_epoch + 1;
            let _ = writeln!(stderr(), "Restoring model weights from the end of the best epoch: {epoch}.");
        }
        self.best_state.drain(..).try_for_each(|(param, value)| param.set(&value))
    }
}
