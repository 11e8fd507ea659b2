//! `equal`: whether tensors have the same shape and elements.

use crate::ops::prelude::*;

impl Tensor {
    /// Whether both have the same shape and equal elements, whatever their types; NaN equals nothing.
    pub fn equal(&self, other: &Tensor) -> bool {
        self.shape() == other.shape() && self.eq(other).all(..).item()
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("equal", |_, x| vec![Tensor::from(x[0].equal(&x[1]))]).reading_elements(&["nan", "other", "same"])
}
