//! `addcdiv`: `x + value · a / b`, element by element.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `self + value · a / b`, broadcasting: a step of an optimizer, say.
    pub fn addcdiv(&self, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
        let scaled = if value == 1.0 { a.clone() } else { a.try_mul(value)? };
        self.try_add(scaled.try_div(b)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("addcdiv", |a, x| vec![x[0].addcdiv(&x[1], &x[2], a.float_or("value", 1.0))])
}
