//! `matrix_norm`: norms of matrices.

use crate::ops::prelude::*;

/// Which norm of a matrix.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MatrixNorm {
    /// The root of the sum of squares.
    #[default]
    Frobenius,
    /// The sum of the singular values.
    Nuclear,
    /// The largest singular value.
    Spectral,
    /// The largest sum of magnitudes of a column.
    Columns,
    /// The largest sum of magnitudes of a row.
    Rows,
}

#[fallible]
impl Tensor {
    /// The norm of each matrix of `[…, m, n]`.
    pub fn matrix_norm(&self, norm: MatrixNorm) -> Result<Tensor> {
        if self.rank() < 2 {
            return Err(Error::op("matrix_norm", format!("needs matrices, got shape {}", self.shape())));
        }
        let x = self.floating()?;
        match norm {
            _ if self.size(-1) * self.size(-2) == 0 => x.try_sum([-2, -1]),
            MatrixNorm::Frobenius => x.try_mul(&x)?.try_sum([-2, -1])?.try_sqrt(),
            MatrixNorm::Nuclear => x.try_svd()?.1.try_sum(-1),
            MatrixNorm::Spectral => x.try_svd()?.1.try_amax(-1),
            MatrixNorm::Columns => x.try_abs()?.try_sum(-2)?.try_amax(-1),
            MatrixNorm::Rows => x.try_abs()?.try_sum(-1)?.try_amax(-1),
        }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("matrix_norm", |a, x| {
        let norm = match a.get("ord").and_then(|ord| ord.as_str()) {
            Some("fro") => MatrixNorm::Frobenius,
            Some("nuc") => MatrixNorm::Nuclear,
            Some("inf") => MatrixNorm::Rows,
            _ if a.integer("ord") == 1 => MatrixNorm::Columns,
            _ => MatrixNorm::Spectral,
        };
        vec![x[0].matrix_norm(norm)]
    })
}
