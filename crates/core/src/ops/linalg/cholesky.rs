//! `cholesky`: positive definite matrices as L·Lᵀ.

use super::solve::{outer, stacked_square, unstacked};
use crate::compile::effect;
use crate::op::apply_all;
use crate::ops::prelude::*;
use crate::run::dense::{self, Triangle};

/// `a [b, n, n] → l [b, n, n], failed [b]`: the column at which a matrix is not positive definite, plus 1.
#[derive(Debug)]
struct Cholesky;

impl Op for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        Ok([x[0].clone(), Meta::new(x[0].shape[0], DType::I64)].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let n = x[0].shape()[1];
        let [l, failed] = y else { unreachable!("two outputs") };
        l.slice::<f64>().copy_from_slice(&x[0].contiguous::<f64>());
        failed.slice::<i64>().fill(0);
        for (l, failed) in l.slice::<f64>().chunks_exact_mut((n * n).max(1)).zip(failed.slice::<i64>()) {
            *failed = dense::cholesky(l, n).map_or_else(|column| column as i64 + 1, |()| 0);
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0, outputs: 1 }
    }

    /// `½·L⁻ᵀ·M·L⁻¹`, where M is the lower half of `Lᵀ·G` mirrored to the upper (Murray 2016, arXiv:1602.07527).
    fn grad(&self, g: &Grad) -> Grads {
        let l = g.output(0);
        let lower = l.t().matmul(g.of(0)).tril(0);
        let half = lower.add(lower.tril(-1).t()).mul(0.5);
        let left = l.t().solve_triangular(&half, Triangle::Upper);
        vec![Some(l.t().solve_triangular(&left.t(), Triangle::Upper).t())]
    }
}

#[fallible]
impl Tensor {
    /// The lower triangular L with `L·Lᵀ` equal to these symmetric matrices `[…, n, n]`, whose lower halves are read.
    /// Computed in `f64`; a matrix that is not positive definite is an error.
    pub fn cholesky(&self) -> Result<Tensor> {
        let a = stacked_square("cholesky", self)?;
        let outputs = apply_all(Cholesky, &[&a])?;
        effect("positive definite", &[&outputs[1]], Vec::new(), |failed| {
            let failed = failed[0].try_to_vec::<i64>()?;
            let Some(i) = failed.iter().position(|&column| column != 0) else { return Ok(()) };
            let which = if failed.len() == 1 { "it".into() } else { format!("matrix {i} of the stack") };
            let order = failed[i];
            let message =
                format!("needs positive definite matrices, but the leading {order}×{order} part of {which} is not");
            Err(Error::op("cholesky", message))
        })?;
        unstacked(&outputs[0], outer(self), self)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cholesky", |_, x| vec![x[0].matmul(x[0].t()).cholesky()])
}
