//! `eig`: eigenvalues and eigenvectors of matrices that need not be symmetric.

use super::solve::{outer, stacked_square, unstacked};
use crate::compile::effect;
use crate::op::apply_all;
use crate::ops::prelude::*;
use crate::run::eigen;
use hadal_kernels::fourier::Complex;

/// `a [b, n, n] → values [b, n, 2], vectors [b, n, n, 2]`, pairs of real and imaginary part; NaN where the iterations
/// do not converge.
#[derive(Debug)]
struct Eig;

impl Op for Eig {
    fn name(&self) -> &'static str {
        "eig"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let [b, n, _] = x[0].shape[..] else { unreachable!("a stack of matrices") };
        Ok([x[0].with_shape([b, n, 2]), x[0].with_shape([b, n, n, 2])].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let [batch, n, _] = x[0].shape()[..] else { unreachable!("a stack of matrices") };
        let a = x[0].contiguous::<f64>();
        let [values, vectors] = y else { unreachable!("two outputs") };
        let (mut l, mut v) = (vec![Complex::default(); n], vec![Complex::default(); n * n]);
        for i in 0..batch {
            if !eigen::eig(&a[i * n * n..][..n * n], n, &mut l, &mut v) {
                l.fill(Complex::new(f64::NAN, f64::NAN));
                v.fill(Complex::new(f64::NAN, f64::NAN));
            }
            let (values, vectors) =
                (&mut values.slice::<f64>()[i * n * 2..], &mut vectors.slice::<f64>()[i * n * n * 2..]);
            let write = |to: &mut [f64], from: &[Complex]| {
                to.as_chunks_mut::<2>().0.iter_mut().zip(from).for_each(|(pair, z)| *pair = [z.re, z.im]);
            };
            write(values, &l);
            write(vectors, &v);
        }
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUTS
    }

    /// The real part of `V⁻ᴴ·(diag(G_λ) + (VᴴG_V − VᴴV·diag(Re(VᴴG_V))) / Ē)·Vᴴ` with `E_ij = λ_j − λ_i` (Boeddeker et
    /// al. 2017, arXiv:1701.00392, for vectors of length 1). Equal eigenvalues make it infinite, unless only the
    /// eigenvalues are used. What a function of the vectors' free phases would get is not defined.
    fn grad(&self, g: &Grad) -> Grads {
        let (l, v) = (Pair::of(&g.output(0)), Pair::of(&g.output(1)));
        let adjoint = v.adjoint();
        let n = l.re.size(-1);
        let identity = Tensor::eye(n).to_dtype(DType::F64);
        let by_l = Pair::of(&g.of(0));
        let mut inner = Pair { re: by_l.re.unsqueeze(-2).mul(&identity), im: by_l.im.unsqueeze(-2).mul(&identity) };
        if let Some(by_v) = g.used(1) {
            let along = adjoint.matmul(&Pair::of(by_v));
            let length = along.re.diagonal(0, -2, -1).unsqueeze(-2);
            let gram = adjoint.matmul(&v);
            let free = Pair { re: along.re.sub(gram.re.mul(&length)), im: along.im.sub(gram.im.mul(&length)) };
            let gap = |part: &Tensor| part.unsqueeze(-2).sub(part.unsqueeze(-1));
            // 1 on the diagonal, where `free` is of no account.
            let (re, im) = (gap(&l.re).add(&identity), gap(&l.im).neg());
            let quotient = free.divided(&Pair { re, im });
            let off = identity.neg().add(1.0);
            inner = Pair { re: inner.re.add(quotient.re.mul(&off)), im: inner.im.add(quotient.im.mul(&off)) };
        }
        vec![Some(adjoint.solve(&inner.matmul(&adjoint)).re)]
    }
}

/// Complex numbers as two real tensors.
pub(crate) struct Pair {
    re: Tensor,
    im: Tensor,
}

impl Pair {
    pub(crate) fn of(pairs: &Tensor) -> Pair {
        Pair { re: pairs.select(-1, 0), im: pairs.select(-1, 1) }
    }

    fn adjoint(&self) -> Pair {
        Pair { re: self.re.t(), im: self.im.t().neg() }
    }

    pub(crate) fn matmul(&self, other: &Pair) -> Pair {
        let (a, b, c, d) = (&self.re, &self.im, &other.re, &other.im);
        Pair { re: a.matmul(c).sub(b.matmul(d)), im: a.matmul(d).add(b.matmul(c)) }
    }

    /// Element by element.
    fn divided(&self, by: &Pair) -> Pair {
        let square = by.re.square().add(by.im.square());
        Pair {
            re: self.re.mul(&by.re).add(self.im.mul(&by.im)).div(&square),
            im: self.im.mul(&by.re).sub(self.re.mul(&by.im)).div(&square),
        }
    }

    /// The X with `self·X = right`, by the real system `[[re, −im], [im, re]]`.
    pub(crate) fn solve(&self, right: &Pair) -> Pair {
        let n = self.re.size(-1);
        let upper = Tensor::cat(&[&self.re, &self.im.neg()], -1);
        let lower = Tensor::cat(&[&self.im, &self.re], -1);
        let x = Tensor::cat(&[upper, lower], -2).solve(&Tensor::cat(&[&right.re, &right.im], -2));
        Pair { re: x.narrow(-2, 0, n), im: x.narrow(-2, n, n) }
    }
}

#[fallible]
impl Tensor {
    /// The eigenvalues `[…, n, 2]` and, as columns of length 1, the eigenvectors `[…, n, n, 2]` of matrices `[…, n, n]`,
    /// in no particular order: complex numbers, as pairs of real and imaginary part in the last axis. Computed in `f64`.
    /// [`Tensor::eigh`] is for symmetric matrices.
    pub fn eig(&self) -> Result<(Tensor, Tensor)> {
        let outputs = apply_all(Eig, &[&stacked_square("eig", self)?])?;
        effect("converged", &[&outputs[0]], Vec::new(), |values| {
            match values[0].isnan().any(..).try_item::<bool>()? {
                true => Err(Error::op("eig", "does not converge; are all elements of the matrix finite?")),
                false => Ok(()),
            }
        })?;
        Ok((unstacked(&outputs[0], outer(self), self)?, unstacked(&outputs[1], outer(self), self)?))
    }

    /// The eigenvalues of [`Tensor::eig`] alone; their gradient is finite even where some are equal, while the matrix
    /// has a basis of eigenvectors.
    pub fn eigvals(&self) -> Result<Tensor> {
        Ok(self.try_eig()?.0)
    }
}

pub(crate) fn cases() -> Cases {
    // What depends on neither order nor phase: sums of squares of values, and the function of matrices λ ↦ λ² + λ³.
    Cases::new("eig", |_, x| {
        let (values, vectors) = x[0].eig();
        let (l, v) = (Pair::of(&values), Pair::of(&vectors));
        let square = Pair { re: l.re.square().sub(l.im.square()), im: l.re.mul(&l.im).mul(2.0) };
        let f = Pair {
            re: square.re.mul(l.re.add(1.0)).sub(square.im.mul(&l.im)),
            im: square.im.mul(l.re.add(1.0)).add(square.re.mul(&l.im)),
        };
        let weighted = |part: &Tensor| part.unsqueeze(-2);
        let (a, b) = (weighted(&f.re), weighted(&f.im));
        let scaled = Pair { re: v.re.mul(&a).sub(v.im.mul(&b)), im: v.re.mul(&b).add(v.im.mul(&a)) };
        // F·V = V·f(Λ), so Fᴴ from the adjoint equation.
        let function = v.adjoint().solve(&scaled.adjoint()).adjoint();
        vec![values.square().sum([-2, -1]), function.re]
    })
}
