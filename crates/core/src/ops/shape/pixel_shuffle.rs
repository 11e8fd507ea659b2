//! `pixel_shuffle`: channels rearranged into space (Shi et al. 2016, sub-pixel convolution).

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[…, c·r², h, w]` to `[…, c, h·r, w·r]`.
    pub fn pixel_shuffle(&self, r: usize) -> Result<Tensor> {
        let (channels, h, w) = image(self, "pixel_shuffle")?;
        if r == 0 || !channels.is_multiple_of(r * r) {
            let message = format!("needs channels divisible by {r}², got {channels} (shape {})", self.shape());
            return Err(Error::op("pixel_shuffle", message));
        }
        let batch = self.elements().checked_div(channels * h * w).unwrap_or(0);
        let c = channels / (r * r);
        let x = self.try_reshape([batch, c, r, r, h, w])?.try_permute([0, 1, 4, 2, 5, 3])?;
        let mut shape = self.shape().clone();
        let rank = shape.rank();
        shape.sizes_mut()[rank - 3..].copy_from_slice(&[c, h * r, w * r]);
        x.try_reshape(shape)
    }
}

/// The last three sizes: channels, height, width.
pub(crate) fn image(x: &Tensor, op: &str) -> Result<(usize, usize, usize)> {
    match x.shape()[..] {
        [.., c, h, w] => Ok((c, h, w)),
        _ => Err(Error::op(op, format!("needs images […, channels, height, width], got {}", x.shape()))),
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("pixel_shuffle", |a, x| vec![x[0].pixel_shuffle(a.integer("upscale_factor") as usize)])
}
