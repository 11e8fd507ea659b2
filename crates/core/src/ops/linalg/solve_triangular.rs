//! `solve_triangular`: equations with a triangular matrix, by substitution.

use super::solve::{outer, stacked, stacked_square, unstacked};
use crate::ops::prelude::*;
use crate::run::dense::{self, Triangle};

/// `a [b, n, n], right [b, n, m] → x [b, n, m]`
#[derive(Debug, Clone, Copy)]
struct SolveTriangular {
    triangle: Triangle,
    /// Whether the diagonal counts as ones.
    unit: bool,
}

impl Op for SolveTriangular {
    fn name(&self) -> &'static str {
        "solve_triangular"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[1].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [_, n, m] = x[1].shape()[..] else { unreachable!("stacks of matrices") };
        let a = x[0].contiguous::<f64>();
        let y = y[0].slice::<f64>();
        y.copy_from_slice(&x[1].contiguous::<f64>());
        for (i, y) in y.chunks_exact_mut((n * m).max(1)).enumerate() {
            dense::solve_triangular(&a[i * n * n..][..n * n], n, y, m, self.triangle, self.unit);
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b1, outputs: 0b1 }
    }

    /// With H = A⁻ᵀ·G: ∂/∂B = H, and ∂/∂A is the half of −H·Xᵀ that is read.
    fn grad(&self, g: &Grad) -> Grads {
        let transposed = SolveTriangular { triangle: self.triangle.transposed(), unit: self.unit };
        let h = apply(transposed, &[&g.input(0).t(), &g.of(0)]).unwrap_or_else(|e| e.raise());
        let by_matrix = || {
            let full = h.matmul(g.output(0).t()).neg();
            let without = self.unit as isize;
            match self.triangle {
                Triangle::Upper => full.triu(without),
                Triangle::Lower => full.tril(-without),
            }
        };
        vec![g.when(0, by_matrix), Some(h.clone())]
    }
}

fn solve(op: SolveTriangular, a: &Tensor, right: &Tensor) -> Result<Tensor> {
    stacked_square("solve_triangular", a)?;
    let n = a.size(-1);
    if right.rank() < 2 || right.size(-2) != n {
        let message = format!("needs right sides […, {n}, m] for {}, got shape {}", a.shape(), right.shape());
        return Err(Error::op("solve_triangular", message));
    }
    let batch = Shape::from(outer(a)).broadcast(&outer(right).into(), "solve_triangular")?;
    let full = |t: &Tensor| {
        let t = t.try_expand(batch.iter().chain(&t.shape()[t.rank() - 2..]).copied().collect::<Shape>())?;
        stacked("solve_triangular", &t)
    };
    unstacked(&apply(op, &[&full(a)?, &full(right)?])?, &batch, a)
}

#[fallible]
impl Tensor {
    /// The X with `self·X = right`, reading one half of these matrices `[…, n, n]`; right sides are `[…, n, m]`.
    /// Computed in `f64`. A zero on the diagonal gives infinities.
    pub fn solve_triangular(&self, right: &Tensor, triangle: Triangle) -> Result<Tensor> {
        solve(SolveTriangular { triangle, unit: false }, self, right)
    }

    /// As [`Tensor::solve_triangular`], taking the diagonal for ones.
    pub fn solve_unit_triangular(&self, right: &Tensor, triangle: Triangle) -> Result<Tensor> {
        solve(SolveTriangular { triangle, unit: true }, self, right)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("solve_triangular", |a, x| {
        let triangle = if a.flag("upper") { Triangle::Upper } else { Triangle::Lower };
        vec![match a.flag("unitriangular") {
            true => x[0].solve_unit_triangular(&x[1], triangle),
            false => x[0].solve_triangular(&x[1], triangle),
        }]
    })
}
