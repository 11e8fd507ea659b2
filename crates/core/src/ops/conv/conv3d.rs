//! `conv3d`: convolution of volumes.

use super::convolution::{Convolution, convolution};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Convolves `[batch, channels, depth, height, width]` with `weight [out, channels / groups, depth, height, width]` and adds
    /// `bias [out]`, as PyTorch's `F.conv3d`. The batch axis may be missing.
    pub fn conv3d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Convolution) -> Result<Tensor> {
        convolution("conv3d", 3, self, weight, bias, options)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("conv3d", |a, x| vec![x[0].conv3d(&x[1], x.get(2), &Convolution::recorded(a))])
}
