//! `rad2deg`: radians as degrees.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Angles in radians as degrees: `x · 180/π`.
    pub fn rad2deg(&self) -> Result<Tensor> {
        self.floating()?.try_mul(180.0 / std::f64::consts::PI)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("rad2deg", |_, x| vec![x[0].rad2deg()])
}
