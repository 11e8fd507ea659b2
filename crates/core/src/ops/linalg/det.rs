//! `det`: the determinant.

use super::solve::{outer, stacked_square, unstacked};
use crate::ops::prelude::*;
use crate::run::dense::Lu;

/// `a [b, n, n] → [b]`
#[derive(Debug)]
struct Det;

impl Op for Det {
    fn name(&self) -> &'static str {
        "det"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_shape(x[0].shape[0]))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let n = x[0].shape()[1];
        let a = x[0].contiguous::<f64>();
        for (i, y) in y[0].slice::<f64>().iter_mut().enumerate() {
            let mut factors = a[i * n * n..][..n * n].to_vec();
            let lu = Lu::new(&mut factors, n);
            let (sign, diagonal) = lu.determinant();
            *y = diagonal.fold(sign, |product, u| product * u);
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 1, outputs: 1 }
    }

    /// Jacobi's formula, det·A⁻ᵀ; a singular matrix has no inverse, and is refused.
    fn grad(&self, g: &Grad) -> Grads {
        let scale = g.of(0).mul(g.output(0)).unsqueeze(-1).unsqueeze(-1);
        vec![Some(g.input(0).inverse().t().mul(scale))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Det", &[])
    }
}

#[fallible]
impl Tensor {
    /// The determinants of matrices `[…, n, n]`, computed in `f64`. The gradient needs invertible matrices.
    pub fn det(&self) -> Result<Tensor> {
        unstacked(&apply(Det, &[&stacked_square("det", self)?])?, outer(self), self)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("det", |_, x| vec![x[0].det()])
}
