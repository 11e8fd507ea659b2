//! `conv2d`: convolution of images.

use super::convolution::{Convolution, convolution};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Convolves `[batch, channels, height, width]` with `weight [out, channels / groups, height, width]` and adds
    /// `bias [out]`, as PyTorch's `F.conv2d`. The batch axis may be missing.
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Convolution) -> Result<Tensor> {
        convolution("conv2d", 2, self, weight, bias, options)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("conv2d", |a, x| vec![x[0].conv2d(&x[1], x.get(2), &Convolution::recorded(a))])
}
