//! `slogdet`: the sign of the determinant and the logarithm of its magnitude, which cannot overflow.

use super::solve::{outer, stacked_square, unstacked};
use crate::op::apply_all;
use crate::ops::prelude::*;
use crate::run::dense::Lu;

/// `a [b, n, n] → sign [b], log|det| [b]`
#[derive(Debug)]
struct SlogDet;

impl Op for SlogDet {
    fn name(&self) -> &'static str {
        "slogdet"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        Ok(Metas::from_elem(x[0].with_shape(x[0].shape[0]), 2))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let n = x[0].shape()[1];
        let a = x[0].contiguous::<f64>();
        let [sign, log] = y else { unreachable!("two outputs") };
        for (i, (sign, log)) in sign.slice::<f64>().iter_mut().zip(log.slice::<f64>()).enumerate() {
            let mut factors = a[i * n * n..][..n * n].to_vec();
            let lu = Lu::new(&mut factors, n);
            let (exchanges, diagonal) = lu.determinant();
            (*sign, *log) = diagonal.fold((exchanges, 0.0), |(sign, sum), u| {
                (if u == 0.0 { 0.0 } else { sign * u.signum() }, sum + libm::log(u.abs()))
            });
        }
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// A⁻ᵀ; the sign is constant.
    fn grad(&self, g: &Grad) -> Grads {
        vec![g.used(1).map(|log| g.input(0).inverse().t().mul(log.unsqueeze(-1).unsqueeze(-1)))]
    }
}

#[fallible]
impl Tensor {
    /// The sign of the determinant (0 for a singular matrix) and the natural logarithm of its magnitude, of matrices
    /// `[…, n, n]`. Computed in `f64`.
    pub fn slogdet(&self) -> Result<(Tensor, Tensor)> {
        let outputs = apply_all(SlogDet, &[&stacked_square("slogdet", self)?])?;
        Ok((unstacked(&outputs[0], outer(self), self)?, unstacked(&outputs[1], outer(self), self)?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("slogdet", |_, x| {
        let (sign, log) = x[0].slogdet();
        vec![sign, log]
    })
}
