//! `frac`: what [`Tensor::trunc`] cuts off.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `self - self.trunc()`: the part after the point, with the sign of the element.
    pub fn frac(&self) -> Result<Tensor> {
        self.try_sub(self.try_trunc()?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("frac", |_, x| vec![x[0].frac()])
}
