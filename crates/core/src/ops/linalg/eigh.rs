//! `eigh`: eigenvalues and eigenvectors of symmetric matrices.

use super::solve::{outer, stacked_square, unstacked};
use crate::op::apply_all;
use crate::ops::prelude::*;
use crate::run::dense;

/// `a [b, n, n] → values [b, n], vectors [b, n, n]`
#[derive(Debug)]
struct Eigh;

impl Op for Eigh {
    fn name(&self) -> &'static str {
        "eigh"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        Ok([x[0].with_shape(&x[0].shape[..2]), x[0].clone()].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [batch, n, _] = x[0].shape()[..] else { unreachable!("a stack of matrices") };
        let a = x[0].contiguous::<f64>();
        let [values, vectors] = y else { unreachable!("two outputs") };
        for i in 0..batch {
            let (values, vectors) =
                (&mut values.slice::<f64>()[i * n..][..n], &mut vectors.slice::<f64>()[i * n * n..][..n * n]);
            dense::eigh(&a[i * n * n..][..n * n], n, values, vectors);
        }
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUTS
    }

    /// The symmetric part of `V·(diag(G_λ) + Vᵀ·G_V / E)·Vᵀ` with `E_ij = λ_j − λ_i`. Equal eigenvalues make it
    /// infinite, unless only the eigenvalues are used.
    fn grad(&self, g: &Grad) -> Grads {
        let (values, v) = (g.output(0), g.output(1));
        let mut gradient = v.mul(g.of(0).unsqueeze(-2)).matmul(v.t());
        if let Some(by_v) = g.used(1) {
            let n = values.size(-1);
            let identity = Tensor::eye(n).to_dtype(DType::F64);
            let gap = values.unsqueeze(-2).sub(values.unsqueeze(-1)).add(&identity);
            let inner = v.t().matmul(by_v).mul(identity.neg().add(1.0)).div(gap);
            let full = v.matmul(inner).matmul(v.t());
            gradient = gradient.add(full.add(full.t()).mul(0.5));
        }
        vec![Some(gradient)]
    }
}

#[fallible]
impl Tensor {
    /// The eigenvalues `[…, n]` in ascending order and the eigenvectors (columns of `[…, n, n]`) of symmetric matrices,
    /// whose lower halves are read. Computed in `f64`; vectors are unique up to signs while the values differ.
    pub fn eigh(&self) -> Result<(Tensor, Tensor)> {
        let outputs = apply_all(Eigh, &[&stacked_square("eigh", self)?])?;
        Ok((unstacked(&outputs[0], outer(self), self)?, unstacked(&outputs[1], outer(self), self)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("eigh", |_, x| {
        let (values, v) = x[0].add(x[0].t()).mul(0.5).eigh();
        let again = v.mul(values.tanh().unsqueeze(-2)).matmul(v.t());
        vec![values, again]
    })
}
