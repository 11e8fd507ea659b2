//! `matrix_power`: whole powers of square matrices.

use super::solve::stacked_square;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The n-th power of matrices `[…, m, m]` by repeated squaring; a negative one is a power of the inverse.
    pub fn matrix_power(&self, n: i32) -> Result<Tensor> {
        stacked_square("matrix_power", self)?;
        let mut square = if n < 0 { self.try_inverse()? } else { self.clone() };
        let identity = Tensor::eye(self.size(-1)).try_to_dtype(self.dtype())?.try_expand(self.shape())?;
        let (mut power, mut left) = (None::<Tensor>, n.unsigned_abs());
        while left > 0 {
            if left & 1 == 1 {
                power = Some(power.map_or(Ok(square.clone()), |p| p.try_matmul(&square))?);
            }
            left >>= 1;
            if left > 0 {
                square = square.try_matmul(&square)?;
            }
        }
        Ok(power.unwrap_or(identity))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("matrix_power", |a, x| vec![x[0].matrix_power(a.integer("n") as i32)])
}
