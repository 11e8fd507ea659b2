//! `corrcoef`: the correlations of variables.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// Pearson's correlation coefficients `[variables, variables]` of observations `[variables, observations]`; of a
    /// vector, the scalar 1.
    pub fn corrcoef(&self) -> Result<Tensor> {
        let covariances = self.try_cov(1.0)?;
        if covariances.rank() == 0 {
            return covariances.try_div(&covariances);
        }
        let spread = covariances.try_diagonal(0, 0, 1)?.try_sqrt()?;
        let scaled = covariances.try_div(spread.try_unsqueeze(1)?)?.try_div(spread.try_unsqueeze(0)?)?;
        scaled.try_clamp(-1.0, 1.0)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("corrcoef", |_, x| vec![x[0].corrcoef()])
}
