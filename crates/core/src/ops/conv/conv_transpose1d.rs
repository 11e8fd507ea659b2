//! `conv_transpose1d`: the adjoint of a convolution of sequences.

use super::convolution::{Convolution, transposed_convolution};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The transposed convolution of `[batch, channels, length]` with
    /// `weight [channels, out / groups, length]`, plus `bias [out]`, as PyTorch's `F.conv_transpose1d`:
    /// what the convolution with the same options maps from. The batch axis may be missing.
    pub fn conv_transpose1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &Convolution) -> Result<Tensor> {
        transposed_convolution("conv_transpose1d", 1, self, weight, bias, options)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("conv_transpose1d", |a, x| vec![x[0].conv_transpose1d(&x[1], x.get(2), &Convolution::recorded(a))])
}
