//! `channel_shuffle`: channels of different groups interleaved (Zhang et al. 2018, ShuffleNet).

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[batch, channels, …]` with the channels, seen as `[groups, n]`, in the order `[n, groups]`.
    pub fn channel_shuffle(&self, groups: usize) -> Result<Tensor> {
        let channels = *self.shape().get(1).unwrap_or(&0);
        if groups == 0 || self.rank() < 2 || !channels.is_multiple_of(groups) {
            let message =
                format!("needs [batch, channels, …] with channels divisible by {groups}, got {}", self.shape());
            return Err(Error::op("channel_shuffle", message));
        }
        let divided = self.try_unflatten(1, [groups, channels / groups])?;
        divided.try_transpose(1, 2)?.try_flatten(1, 2)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("channel_shuffle", |a, x| vec![x[0].channel_shuffle(a.integer("groups") as usize)])
}
