//! `tanhshrink`: `x − tanh(x)`, element by element.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `self − tanh(self)`.
    pub fn tanhshrink(&self) -> Result<Tensor> {
        self.try_sub(self.try_tanh()?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("tanhshrink", |_, x| vec![x[0].tanhshrink()])
}
