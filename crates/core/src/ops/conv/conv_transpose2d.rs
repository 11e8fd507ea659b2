//! `conv_transpose2d`: the adjoint of a convolution of images.

use super::convolution::{Convolution, transposed_convolution};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The transposed convolution of `[batch, channels, height, width]` with
    /// `weight [channels, out / groups, height, width]`, plus `bias [out]`, as PyTorch's `F.conv_transpose2d`:
    /// what the convolution with the same options maps from. The batch axis may be missing.
    pub fn conv_transpose2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Convolution) -> Result<Tensor> {
        transposed_convolution("conv_transpose2d", 2, self, weight, bias, options)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("conv_transpose2d", |a, x| vec![x[0].conv_transpose2d(&x[1], x.get(2), &Convolution::recorded(a))])
}
