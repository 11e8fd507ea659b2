//! `triu`: the upper triangles of matrices.

use super::tril::Side;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The upper triangles of matrices `[…, rows, columns]`, zero elsewhere: kept is what lies on or above the
    /// given diagonal (0: the main one, 1: the one above it).
    pub fn triu(&self, diagonal: isize) -> Result<Tensor> {
        self.triangle(Side::Above, diagonal)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("triu", |a, x| vec![x[0].triu(a.integer("diagonal"))])
}
