//! `conv_transpose3d`: the adjoint of a convolution of volumes.

use super::convolution::{Convolution, transposed_convolution};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The transposed convolution of `[batch, channels, depth, height, width]` with
    /// `weight [channels, out / groups, depth, height, width]`, plus `bias [out]`, as PyTorch's `F.conv_transpose3d`:
    /// what the convolution with the same options maps from. The batch axis may be missing.
    pub fn conv_transpose3d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Convolution) -> Result<Tensor> {
        transposed_convolution("conv_transpose3d", 3, self, weight, bias, options)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("conv_transpose3d", |a, x| vec![x[0].conv_transpose3d(&x[1], x.get(2), &Convolution::recorded(a))])
}
