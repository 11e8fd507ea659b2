//! `heaviside`: the step function.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// 0 for negative elements, 1 for positive ones, and `at_zero` for zeros, broadcasting.
    pub fn heaviside(&self, at_zero: impl Operand) -> Result<Tensor> {
        let (x, at_zero) = self.promoted(at_zero)?;
        let step = x.try_gt(0)?.try_to_dtype(x.dtype())?;
        x.try_eq(0)?.try_where_(&at_zero, &step)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("heaviside", |_, x| vec![x[0].heaviside(&x[1])])
}
