//! `inverse` of square matrices.

use super::solve::{outer, solve_stacks, stacked_square, unstacked};
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The inverses of matrices `[…, n, n]`, computed in `f64`; a singular matrix is an error.
    /// To solve equations use [`Tensor::solve`], which is faster and more accurate.
    pub fn inverse(&self) -> Result<Tensor> {
        let a = stacked_square("inverse", self)?;
        let identity = Tensor::eye(a.size(-1)).try_to_dtype(DType::F64)?.try_expand(a.shape())?;
        unstacked(&solve_stacks("inverse", &a, &identity)?, outer(self), self)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("inverse", |_, x| vec![x[0].inverse()])
}
