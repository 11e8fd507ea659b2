//! `diag`: a vector as a diagonal matrix, or the diagonal of a matrix.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// For a vector, the square matrix with it on diagonal number `offset`; for a matrix, that diagonal.
    pub fn diag(&self, offset: isize) -> Result<Tensor> {
        match self.rank() {
            1 => self.try_diag_embed(offset, 0, 1),
            2 => self.try_diagonal(offset, 0, 1),
            _ => Err(Error::op("diag", format!("needs a vector or a matrix, got {}; see diagonal", self.shape()))),
        }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("diag", |a, x| vec![x[0].diag(a.integer("diagonal"))])
}
