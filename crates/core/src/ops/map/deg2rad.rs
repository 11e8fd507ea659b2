//! `deg2rad`: degrees as radians.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Angles in degrees as radians: `x · π/180`.
    pub fn deg2rad(&self) -> Result<Tensor> {
        self.floating()?.try_mul(std::f64::consts::PI / 180.0)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("deg2rad", |_, x| vec![x[0].deg2rad()])
}
