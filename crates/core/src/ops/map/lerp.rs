//! `lerp`: linear interpolation between two tensors.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `self + weight · (end − self)`: `self` at weight 0, `end` at weight 1; broadcasting.
    pub fn lerp(&self, end: &Tensor, weight: impl Operand) -> Result<Tensor> {
        self.try_add(end.try_sub(self)?.try_mul(weight)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("lerp", |a, x| {
        vec![match a.float_opt("weight") {
            Some(weight) => x[0].lerp(&x[1], weight),
            None => x[0].lerp(&x[1], &x[2]),
        }]
    })
}
