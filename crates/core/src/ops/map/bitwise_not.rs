//! `bitwise_not`: every bit of each integer flipped; `!` of booleans.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Every bit flipped (`−1 − self` for signed integers); `logical_not` for booleans.
    pub fn bitwise_not(&self) -> Result<Tensor> {
        match self.dtype() {
            DType::Bool => self.try_bitwise_xor(true),
            DType::U8 => self.try_bitwise_xor(255),
            _ => self.try_bitwise_xor(-1),
        }
    }
}

pub(crate) fn cases() -> Cases {
    // Two's complement: !x = −1 − x, and 255 − x for bytes.
    Cases::new("bitwise_not", |_, x| vec![x[0].bitwise_not()])
        .with("integers", "{}", &[Tensor::from([0i64, 5, -7])], &[Tensor::from([-1i64, -6, 6])])
        .with("bytes", "{}", &[Tensor::from([0u8, 200])], &[Tensor::from([255u8, 55])])
        .with("bools", "{}", &[Tensor::from([true, false])], &[Tensor::from([false, true])])
}
