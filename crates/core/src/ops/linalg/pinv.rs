//! `pinv`: the Moore-Penrose pseudoinverse.

use super::solve::{outer, stacked, unstacked};
use crate::ops::prelude::*;
use crate::run::dense;

/// `a [b, m, n] → [b, n, m]`
#[derive(Debug)]
struct Pinv {
    /// Singular values up to this share of the largest count as zero.
    cutoff: f64,
}

impl Op for Pinv {
    fn name(&self) -> &'static str {
        "pinv"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let [b, m, n] = x[0].shape[..] else { unreachable!("a stack of matrices") };
        one(x[0].with_shape([b, n, m]))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [batch, m, n] = x[0].shape()[..] else { unreachable!("a stack of matrices") };
        let k = m.min(n);
        let a = x[0].contiguous::<f64>();
        let (mut u, mut s, mut vh) = (vec![0.0; m * k], vec![0.0; k], vec![0.0; k * n]);
        for i in 0..batch {
            dense::svd(&a[i * m * n..][..m * n], m, n, &mut u, &mut s, &mut vh);
            let limit = self.cutoff * s.first().copied().unwrap_or(0.0);
            let y = &mut y[0].slice::<f64>()[i * m * n..][..m * n];
            y.fill(0.0);
            for (p, &s) in s.iter().enumerate().filter(|(_, s)| **s > limit) {
                for (at, y) in y.iter_mut().enumerate() {
                    *y += vh[p * n + at / m] * u[at % m * k + p] / s;
                }
            }
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 1, outputs: 1 }
    }

    /// With P the result: `−Pᵀ·G·Pᵀ + (I − A·P)·Gᵀ·P·Pᵀ + Pᵀ·P·Gᵀ·(I − P·A)` (Golub & Pereyra 1973).
    fn grad(&self, g: &Grad) -> Grads {
        let (a, p, by) = (g.input(0), g.output(0), g.of(0));
        let first = p.t().matmul(&by).matmul(p.t());
        let right = by.t().matmul(&p).matmul(p.t());
        let left = p.t().matmul(&p).matmul(by.t());
        let second = right.sub(a.matmul(p.matmul(&right)));
        let third = left.sub(left.matmul(&p).matmul(&a));
        vec![Some(second.add(third).sub(first))]
    }
}

#[fallible]
impl Tensor {
    /// The pseudoinverses `[…, n, m]` of matrices `[…, m, n]`, computed in `f64`. Singular values up to max(m, n)·ε of
    /// the largest count as zero, ε being that of this tensor's type.
    pub fn pinv(&self) -> Result<Tensor> {
        let a = stacked("pinv", self)?;
        let epsilon = if self.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON as f64 };
        let cutoff = a.size(-1).max(a.size(-2)) as f64 * epsilon;
        unstacked(&apply(Pinv { cutoff }, &[&a])?, outer(self), self)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("pinv", |_, x| vec![x[0].pinv()])
}
