//! `svdvals`: the singular values.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The singular values of [`Tensor::svd`] alone; their gradient is finite even where they are equal.
    pub fn svdvals(&self) -> Result<Tensor> {
        Ok(self.try_svd()?.1)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("svdvals", |_, x| vec![x[0].svdvals()])
}
