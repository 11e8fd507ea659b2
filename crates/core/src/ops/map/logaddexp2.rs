//! `logaddexp2`: `log2(2ᵃ + 2ᵇ)`, element by element.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `log2(2^self + 2^other)` without overflow; broadcasting.
    pub fn logaddexp2(&self, other: impl Operand) -> Result<Tensor> {
        const LN_2: f64 = std::f64::consts::LN_2;
        let (a, b) = self.promoted(other)?;
        let sum = a.floating()?.try_mul(LN_2)?.try_logaddexp(b.floating()?.try_mul(LN_2)?)?;
        sum.try_mul(1.0 / LN_2)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logaddexp2", |_, x| vec![x[0].logaddexp2(&x[1])])
}
