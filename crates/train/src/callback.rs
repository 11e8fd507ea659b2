//! Callbacks: what happens around epochs and batches.

use crate::history::Logs;
use hadal_core::{Module, Result};
use hadal_nn::optim::Optimizer;

/// What a callback may look at and change.
pub struct State<'a> {
    /// The model.
    pub model: &'a dyn Module,
    /// The optimizer: its learning rate may be changed.
    pub optimizer: &'a Optimizer,
    /// The current epoch, from 0.
    pub epoch: usize,
    /// The number of epochs to run.
    pub epochs: usize,
    /// The batches of this epoch done so far.
    pub batch: usize,
    /// The number of batches in an epoch.
    pub batches: usize,
    /// The loss and metrics so far in this epoch; with validation at its end.
    pub logs: &'a mut Logs,
    pub(crate) stop: &'a mut Option<String>,
}

impl State<'_> {
    /// Ends training after the current hook, for this reason; the first reason given stays.
    pub fn stop(&mut self, reason: impl Into<String>) {
        self.stop.get_or_insert(reason.into());
    }
}

/// Hooks into training; all do nothing unless written. An error ends the run.
pub trait Callback {
    /// Before the first epoch.
    fn on_train_begin(&mut self, _: &mut State) -> Result<()> {
        Ok(())
    }
    /// Before an epoch.
    fn on_epoch_begin(&mut self, _: &mut State) -> Result<()> {
        Ok(())
    }
    /// Before a training batch.
    fn on_train_batch_begin(&mut self, _: &mut State) -> Result<()> {
        Ok(())
    }
    /// After a training batch and its optimizer step.
    fn on_train_batch_end(&mut self, _: &mut State) -> Result<()> {
        Ok(())
    }
    /// Before validation.
    fn on_test_begin(&mut self, _: &mut State) -> Result<()> {
        Ok(())
    }
    /// After a validation batch.
    fn on_test_batch_end(&mut self, _: &mut State) -> Result<()> {
        Ok(())
    }
    /// After validation; the logs hold its results.
    fn on_test_end(&mut self, _: &mut State) -> Result<()> {
        Ok(())
    }
    /// After an epoch and its validation.
    fn on_epoch_end(&mut self, _: &mut State) -> Result<()> {
        Ok(())
    }
    /// After the last epoch, however training ended.
    fn on_train_end(&mut self, _: &mut State) -> Result<()> {
        Ok(())
    }
}
