//! `lu`: square matrices as P·L·U.

use super::solve::{outer, stacked_square, unstacked};
use crate::op::apply_all;
use crate::ops::prelude::*;
use crate::run::dense::{Lu, Triangle};

/// `a [b, n, n] → p, l, u`, each `[b, n, n]`.
#[derive(Debug)]
struct PivotedLu;

impl Op for PivotedLu {
    fn name(&self) -> &'static str {
        "lu"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(x[0].clone(), 3))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let n = x[0].shape()[1];
        let [p, l, u] = y else { unreachable!("three outputs") };
        let (p, l, u) = (p.slice::<f64>(), l.slice::<f64>(), u.slice::<f64>());
        p.fill(0.0);
        l.fill(0.0);
        u.copy_from_slice(&x[0].contiguous::<f64>());
        let size = (n * n).max(1);
        for ((p, l), u) in p.chunks_exact_mut(size).zip(l.chunks_exact_mut(size)).zip(u.chunks_exact_mut(size)) {
            let order = Lu::new(u, n).order();
            for (row, from) in order.into_iter().enumerate() {
                p[from * n + row] = 1.0;
                l[row * n + row] = 1.0;
                l[row * n..row * n + row].copy_from_slice(&u[row * n..row * n + row]);
                u[row * n..row * n + row].fill(0.0);
            }
        }
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUTS
    }

    /// `P·L⁻ᵀ·(tril(Lᵀ·G_L, −1) + triu(G_U·Uᵀ))·U⁻ᵀ` (Murray 2016 for the method; P is constant).
    fn grad(&self, g: &Grad) -> Grads {
        let (p, l, u) = (g.output(0).detach(), g.output(1), g.output(2));
        let inner = l.t().matmul(g.of(1)).tril(-1).add(g.of(2).matmul(u.t()).triu(0));
        let left = l.t().solve_triangular(&inner, Triangle::Upper);
        vec![Some(p.matmul(u.solve_triangular(&left.t(), Triangle::Upper).t()))]
    }
}

#[fallible]
impl Tensor {
    /// Permutation P, unit lower triangular L and upper triangular U whose product is the square matrices `[…, n, n]`,
    /// each of that shape. Computed in `f64`, choosing the largest element of a column as its pivot.
    pub fn lu(&self) -> Result<(Tensor, Tensor, Tensor)> {
        let outputs = apply_all(PivotedLu, &[&stacked_square("lu", self)?])?;
        let back = |i: usize| unstacked(&outputs[i], outer(self), self);
        Ok((back(0)?.detach(), back(1)?, back(2)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("lu", |_, x| {
        let (p, l, u) = x[0].lu();
        vec![p, l, u]
    })
}
