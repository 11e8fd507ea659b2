//! `matrix_exp`: the exponential of matrices.

use super::solve::{outer, stacked_square, unstacked};
use crate::MatrixNorm;
use crate::ops::prelude::*;

/// The coefficients of the numerator of the Padé approximant of order 13 (Higham 2005, "The scaling and squaring method
/// for the matrix exponential revisited", table 2.1 and equation 2.6), divided by the first.
const PADE: [f64; 14] = [
    1.0,
    0.5,
    3.0 / 25.0,
    11.0 / 600.0,
    11.0 / 5520.0,
    3.0 / 18400.0,
    1.0 / 96600.0,
    1.0 / 1932000.0,
    1.0 / 48944000.0,
    1.0 / 1585785600.0,
    1.0 / 67395888000.0,
    1.0 / 3953892096000.0,
    1.0 / 355850288640000.0,
    1.0 / 64764752532480000.0,
];

/// Up to this norm the approximant is exact to double precision.
const NORM: f64 = 5.371920351148152;

#[fallible]
impl Tensor {
    /// `Σ Aᵏ/k!` of matrices `[…, n, n]`, by scaling, a Padé approximant and squaring. Computed in `f64`.
    pub fn matrix_exp(&self) -> Result<Tensor> {
        let a = stacked_square("matrix_exp", self)?;
        if a.elements() == 0 {
            return unstacked(&a, outer(self), self);
        }
        let norm = a.detach().try_matrix_norm(MatrixNorm::Columns)?.try_amax(..)?.try_item::<f64>()?;
        let (mut scale, mut squarings) = (1.0, 0);
        while norm.is_finite() && norm * scale > NORM {
            (scale, squarings) = (0.5 * scale, squarings + 1);
        }
        let a = a.try_mul(scale)?;
        let identity = Tensor::eye(a.size(-1)).try_to_dtype(DType::F64)?;
        let square = a.try_matmul(&a)?;
        // Even powers on one side, odd ones on the other: (V + U) / (V − U), both by Horner's rule in A².
        let half = |first: usize| {
            let mut sum = identity.try_mul(PADE[first + 12])?;
            for k in (0..6).rev() {
                sum = sum.try_matmul(&square)?.try_add(identity.try_mul(PADE[first + 2 * k])?)?;
            }
            Ok(sum)
        };
        let (v, u) = (half(0)?, a.try_matmul(half(1)?)?);
        let mut y = v.try_sub(&u)?.try_solve(&v.try_add(&u)?)?;
        for _ in 0..squarings {
            y = y.try_matmul(&y)?;
        }
        unstacked(&y, outer(self), self)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("matrix_exp", |_, x| vec![x[0].matrix_exp()]).reading_elements(&[
        "small",
        "large",
        "batched",
        "nilpotent",
    ])
}
