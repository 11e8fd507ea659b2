//! A closure as a callback.

use crate::callback::{Callback, State};
use hadal_core::Result;

/// Calls a closure at the end of every epoch. For other hooks implement [`Callback`].
pub struct OnEpochEnd<F>(pub F);

impl<F: FnMut(&mut State) -> Result<()>> Callback for OnEpochEnd<F> {
    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        (self.0)(state)
    }
}
