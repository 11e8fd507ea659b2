//! `logical_not`: whether each element is zero.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Whether each element is zero (or false), as bool.
    pub fn logical_not(&self) -> Result<Tensor> {
        self.try_eq(0)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logical_not", |_, x| vec![x[0].logical_not()])
}
