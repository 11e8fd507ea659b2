//! `pixel_unshuffle`: space rearranged into channels, the inverse of `pixel_shuffle`.

use super::pixel_shuffle::image;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[…, c, h·r, w·r]` to `[…, c·r², h, w]`.
    pub fn pixel_unshuffle(&self, r: usize) -> Result<Tensor> {
        let (c, height, width) = image(self, "pixel_unshuffle")?;
        if r == 0 || !height.is_multiple_of(r) || !width.is_multiple_of(r) {
            let message = format!("needs height and width divisible by {r}, got shape {}", self.shape());
            return Err(Error::op("pixel_unshuffle", message));
        }
        let batch = self.elements().checked_div(c * height * width).unwrap_or(0);
        let (h, w) = (height / r, width / r);
        let x = self.try_reshape([batch, c, h, r, w, r])?.try_permute([0, 1, 3, 5, 2, 4])?;
        let mut shape = self.shape().clone();
        let rank = shape.rank();
        shape.sizes_mut()[rank - 3..].copy_from_slice(&[c * r * r, h, w]);
        x.try_reshape(shape)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("pixel_unshuffle", |a, x| vec![x[0].pixel_unshuffle(a.integer("downscale_factor") as usize)])
}
