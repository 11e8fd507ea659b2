//! `softsign`: `x / (1 + |x|)`, element by element.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `self / (1 + |self|)`.
    pub fn softsign(&self) -> Result<Tensor> {
        self.try_div(self.try_abs()?.try_add(1)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("softsign", |_, x| vec![x[0].softsign()])
}
