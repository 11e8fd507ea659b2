//! `qr`: matrices as an orthonormal basis times an upper triangle.

use super::solve::{outer, stacked, unstacked};
use crate::op::apply_all;
use crate::ops::prelude::*;
use crate::run::dense::{self, Triangle};

/// `a [b, m, n] → q [b, m, k], r [b, k, n]` with k = min(m, n).
#[derive(Debug)]
struct Qr;

impl Op for Qr {
    fn name(&self) -> &'static str {
        "qr"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let [b, m, n] = x[0].shape[..] else { unreachable!("a stack of matrices") };
        let k = m.min(n);
        Ok([x[0].with_shape([b, m, k]), x[0].with_shape([b, k, n])].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [batch, m, n] = x[0].shape()[..] else { unreachable!("a stack of matrices") };
        let k = m.min(n);
        let a = x[0].contiguous::<f64>();
        let [q, r] = y else { unreachable!("two outputs") };
        for i in 0..batch {
            let (q, r) = (&mut q.slice::<f64>()[i * m * k..][..m * k], &mut r.slice::<f64>()[i * k * n..][..k * n]);
            dense::qr(&a[i * m * n..][..m * n], m, n, q, r);
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b1, outputs: 0b11 }
    }

    /// `(G_Q + Q·mirror(M))·R⁻ᵀ` with `M = R·G_Rᵀ − G_Qᵀ·Q` and mirror copying the lower half to the upper (Walter &
    /// Lehmann 2012, arXiv:1009.6112). The columns of a wide matrix beyond the square are `Q·R₂`.
    fn grad(&self, g: &Grad) -> Grads {
        let (q, r, by_q, by_r) = (g.output(0), g.output(1), g.of(0), g.of(1));
        let (k, n) = (r.size(-2), r.size(-1));
        let square = |by_q: &Tensor, r: &Tensor, by_r: &Tensor| {
            let m = r.matmul(by_r.t()).sub(by_q.t().matmul(&q));
            let mirrored = m.tril(0).add(m.tril(-1).t());
            let right = by_q.add(q.matmul(mirrored));
            r.solve_triangular(&right.t(), Triangle::Upper).t()
        };
        if k == n {
            return vec![Some(square(&by_q, &r, &by_r))];
        }
        let beyond = g.input(0).narrow(-1, k, n - k);
        let by_beyond = by_r.narrow(-1, k, n - k);
        let by_q = by_q.add(beyond.matmul(by_beyond.t()));
        let first = square(&by_q, &r.narrow(-1, 0, k), &by_r.narrow(-1, 0, k));
        vec![Some(Tensor::cat(&[first, q.matmul(by_beyond)], -1))]
    }
}

#[fallible]
impl Tensor {
    /// Q with orthonormal columns and upper triangular R whose product is the matrices `[…, m, n]`: `[…, m, k]` and
    /// `[…, k, n]` with k = min(m, n). Computed in `f64`; unique up to the signs of R's rows.
    pub fn qr(&self) -> Result<(Tensor, Tensor)> {
        let outputs = apply_all(Qr, &[&stacked("qr", self)?])?;
        Ok((unstacked(&outputs[0], outer(self), self)?, unstacked(&outputs[1], outer(self), self)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("qr", |_, x| {
        let (q, r) = x[0].qr();
        vec![r.t().matmul(&r), q.matmul(&r), q.matmul(q.t())]
    })
}

#[cfg(test)]
mod tests {
    use crate::Tensor;
    use crate::testing::{gradient_check, gradient_check_twice};

    /// PyTorch refuses this gradient, so differences are the reference.
    #[test]
    fn wide_matrices_have_a_gradient() {
        let x = [Tensor::from([[0.9, -0.4, 0.3], [0.2, 1.1, -0.7]])];
        let f = |x: &[Tensor]| {
            let (q, r) = x[0].qr();
            Tensor::cat(&[q, r], -1)
        };
        gradient_check(f, &x).unwrap();
        gradient_check_twice(f, &x).unwrap();
    }
}
