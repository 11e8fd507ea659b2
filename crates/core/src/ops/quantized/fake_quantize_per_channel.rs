//! `fake_quantize_per_channel`: fake quantization with a scale and a zero point for each place of an axis.

use crate::ops::prelude::*;
use std::ops::RangeInclusive;

#[fallible]
impl Tensor {
    /// [`Tensor::fake_quantize`] with scales and zero points `[n]`, one for each of the `n` places of `axis`: PyTorch's
    /// `fake_quantize_per_channel_affine`.
    pub fn fake_quantize_per_channel(
        &self,
        scale: &Tensor,
        zero: &Tensor,
        axis: isize,
        range: RangeInclusive<i32>,
    ) -> Result<Tensor> {
        let rank = self.rank() as isize;
        if !(-rank..rank).contains(&axis) {
            let message = format!("has no axis {axis} in an input of shape {}", self.shape());
            return Err(Error::op("fake_quantize_per_channel", message));
        }
        let axis = axis.rem_euclid(rank) as usize;
        let mut shape = vec![1; self.rank()];
        shape[axis] = self.shape()[axis];
        for (what, given) in [("scale", scale), ("zero point", zero)] {
            if given.shape()[..] != [shape[axis]] {
                let message = format!("needs a {what} of shape [{}], got {}", shape[axis], given.shape());
                return Err(Error::op("fake_quantize_per_channel", message));
            }
        }
        self.try_fake_quantize(scale.try_reshape(&shape[..])?, zero.try_reshape(&shape[..])?, range)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("fake_quantize_per_channel", |a, x| {
        let range = a.integer("low") as i32..=a.integer("high") as i32;
        vec![x[0].fake_quantize_per_channel(&x[1], &x[2], a.integer("axis"), range)]
    })
}
