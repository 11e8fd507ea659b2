//! `cond`: condition numbers.

use crate::MatrixNorm;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The norm of each matrix times that of its inverse; for [`MatrixNorm::Spectral`] the largest singular value by the
    /// smallest, for matrices `[…, m, n]` of any shape.
    pub fn cond(&self, norm: MatrixNorm) -> Result<Tensor> {
        if norm == MatrixNorm::Spectral {
            let values = self.try_svdvals()?;
            let last = values.shape().last().map_or(0, |&k| k);
            if last == 0 {
                return Err(Error::op("cond", format!("of no elements is not defined (shape {})", self.shape())));
            }
            return values.try_select(-1, 0)?.try_div(values.try_select(-1, -1)?);
        }
        self.try_matrix_norm(norm)?.try_mul(self.try_inverse()?.try_matrix_norm(norm)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cond", |a, x| {
        vec![x[0].cond(match a.get("p").and_then(|p| p.as_str()) {
            Some("fro") => MatrixNorm::Frobenius,
            Some("nuc") => MatrixNorm::Nuclear,
            Some(_) => MatrixNorm::Rows,
            None if a.integer("p") == 1 => MatrixNorm::Columns,
            None => MatrixNorm::Spectral,
        })]
    })
}
