//! Stop when the loss is no longer a number.

use crate::callback::{Callback, State};
use hadal_core::Result;

/// Stops training at the first batch whose loss is NaN or infinite, and says where.
#[derive(Clone, Copy, Debug, Default)]
pub struct TerminateOnNan;

impl Callback for TerminateOnNan {
    fn on_train_batch_end(&mut self, state: &mut State) -> Result<()> {
        if let Some(loss) = state.logs.get("loss").filter(|loss| !loss.is_finite()) {
            let (epoch, batch, rate) = (state.epoch + 1, state.batch, state.optimizer.lr());
            state.stop(format!(
                "the loss became {loss} at epoch {epoch}, batch {batch} (learning rate {rate}); lower the learning \
                 rate, clip the gradients, or look for the first bad op with detect_anomaly"
            ));
        }
        Ok(())
    }
}
