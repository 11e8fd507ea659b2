//! `instance_norm`: each channel of each sample brought to mean 0 and variance 1 (Ulyanov et al. 2016).

use super::group_norm::normalize;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[batch, channels, …]` with each channel of each sample brought to mean 0 and variance 1, then
    /// `·weight + bias` per channel.
    pub fn instance_norm(&self, weight: Option<&Tensor>, bias: Option<&Tensor>, eps: f64) -> Result<Tensor> {
        let fail = |message: String| Err(Error::op("instance_norm", message));
        let [n, c, ref rest @ ..] = self.shape()[..] else {
            return fail(format!("needs an input [batch, channels, …], got shape {}", self.shape()));
        };
        let length = rest.iter().product();
        if length == 1 {
            return fail(format!("needs more than one element per channel, got input {}", self.shape()));
        }
        normalize("instance_norm", self, [n, c, length], c, [weight, bias], eps)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("instance_norm", |a, x| vec![x[0].instance_norm(x.get(1), x.get(2), a.float("eps"))])
}
