//! `allclose`: whether tensors are equal but for rounding.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Whether all elements are close, as [`Tensor::isclose`] says; the shapes broadcast.
    pub fn allclose(&self, other: &Tensor, rtol: f64, atol: f64) -> Result<bool> {
        self.try_isclose(other, rtol, atol)?.try_all(..)?.try_item()
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("allclose", |a, x| vec![Tensor::from(x[0].allclose(&x[1], a.float("rtol"), a.float("atol")))])
        .reading_elements(&[])
}
