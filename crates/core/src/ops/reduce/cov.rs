//! `cov`: the covariances of variables.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The covariance matrix `[variables, variables]` of observations `[variables, observations]` (or of one variable,
    /// a vector: a scalar), with divisor observations − `correction`; NumPy's and PyTorch's default is 1.
    pub fn cov(&self, correction: f64) -> Result<Tensor> {
        if self.rank() > 2 {
            return Err(Error::op("cov", format!("needs variables [variables, observations], got {}", self.shape())));
        }
        let rows =
            if self.rank() == 2 { self.floating()? } else { self.floating()?.try_reshape([1, self.elements()])? };
        let n = rows.size(1) as f64;
        let centred = rows.try_sub(rows.try_mean_keepdim(1)?)?;
        let products = centred.try_matmul(centred.try_t()?)?.try_div((n - correction).max(0.0))?;
        if self.rank() == 2 { Ok(products) } else { products.try_reshape(()) }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cov", |a, x| vec![x[0].cov(a.float("correction"))])
}
