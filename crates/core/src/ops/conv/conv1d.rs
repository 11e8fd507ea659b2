//! `conv1d`: convolution of sequences.

use super::convolution::{Convolution, convolution};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Convolves `[batch, channels, length]` with `weight [out, channels / groups, length]` and adds
    /// `bias [out]`, as PyTorch's `F.conv1d`. The batch axis may be missing.
    pub fn conv1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Convolution) -> Result<Tensor> {
        convolution("conv1d", 1, self, weight, bias, options)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("conv1d", |a, x| vec![x[0].conv1d(&x[1], x.get(2), &Convolution::recorded(a))])
}
