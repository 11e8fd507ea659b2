//! `svd`: the singular value decomposition.

use super::solve::{outer, stacked, unstacked};
use crate::op::apply_all;
use crate::ops::prelude::*;
use crate::run::dense;

/// `a [b, m, n] → u [b, m, k], s [b, k], vh [b, k, n]` with k = min(m, n).
#[derive(Debug)]
struct Svd;

impl Op for Svd {
    fn name(&self) -> &'static str {
        "svd"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let [b, m, n] = x[0].shape[..] else { unreachable!("a stack of matrices") };
        let k = m.min(n);
        Ok([x[0].with_shape([b, m, k]), x[0].with_shape([b, k]), x[0].with_shape([b, k, n])].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [batch, m, n] = x[0].shape()[..] else { unreachable!("a stack of matrices") };
        let k = m.min(n);
        let a = x[0].contiguous::<f64>();
        let [u, s, vh] = y else { unreachable!("three outputs") };
        for i in 0..batch {
            let (u, s) = (&mut u.slice::<f64>()[i * m * k..][..m * k], &mut s.slice::<f64>()[i * k..][..k]);
            let vh = &mut vh.slice::<f64>()[i * k * n..][..k * n];
            dense::svd(&a[i * m * n..][..m * n], m, n, u, s, vh);
        }
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUTS
    }

    /// `U·(skew(Uᵀ·G_U)/E·S + S·skew(Vᵀ·G_V)/E + diag(G_S))·Vᵀ` with `E_ij = s_j² − s_i²`, and the parts of G_U and G_V
    /// outside the spans of U and V divided by S (Townsend 2016). Equal singular values make it infinite, unless
    /// only S is used.
    fn grad(&self, g: &Grad) -> Grads {
        let (u, s, vh) = (g.output(0), g.output(1), g.output(2));
        let (row, column) = (s.unsqueeze(-2), s.unsqueeze(-1));
        let mut gradient = u.mul(g.of(1).unsqueeze(-2)).matmul(&vh);
        let identity = Tensor::eye(s.size(-1)).to_dtype(DType::F64);
        // 1 on the diagonal, where the skew part is zero.
        let gap = row.square().sub(column.square()).add(&identity);
        let skew = |t: Tensor| t.sub(t.t()).div(&gap);
        if let Some(by_u) = g.used(0) {
            let inner = skew(u.t().matmul(by_u)).mul(&row);
            gradient = gradient.add(u.matmul(inner).matmul(&vh));
            let outside = by_u.sub(u.matmul(u.t().matmul(by_u)));
            if u.size(-2) > u.size(-1) {
                gradient = gradient.add(outside.div(&row).matmul(&vh));
            }
        }
        if let Some(by_vh) = g.used(2) {
            let inner = skew(vh.matmul(by_vh.t())).mul(&column);
            gradient = gradient.add(u.matmul(inner).matmul(&vh));
            let outside = by_vh.sub(by_vh.matmul(vh.t()).matmul(&vh));
            if vh.size(-1) > vh.size(-2) {
                gradient = gradient.add(u.matmul(outside.div(&column)));
            }
        }
        vec![Some(gradient)]
    }
}

#[fallible]
impl Tensor {
    /// U, S and Vᵀ with `U·diag(S)·Vᵀ` equal to the matrices `[…, m, n]`: `[…, m, k]`, `[…, k]` in descending order,
    /// `[…, k, n]` with k = min(m, n). Computed in `f64`; unique up to signs while the singular values differ.
    pub fn svd(&self) -> Result<(Tensor, Tensor, Tensor)> {
        let outputs = apply_all(Svd, &[&stacked("svd", self)?])?;
        let back = |i: usize| unstacked(&outputs[i], outer(self), self);
        Ok((back(0)?, back(1)?, back(2)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("svd", |_, x| {
        let (u, s, vh) = x[0].svd();
        let with = |s: &Tensor| u.mul(s.unsqueeze(-2)).matmul(&vh);
        vec![s.clone(), with(&s), with(&s.tanh())]
    })
}
