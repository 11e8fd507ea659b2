//! `vander`: the Vandermonde matrix.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The powers 0 to `n` − 1 of each element, along a new last axis.
    pub fn vander(&self, n: usize) -> Result<Tensor> {
        let mut powers = vec![self.ones_like(); n.min(1)];
        for i in 1..n {
            powers.push(powers[i - 1].try_mul(self)?);
        }
        if n == 0 {
            return self.try_unsqueeze(-1)?.try_narrow(-1, 0, 0);
        }
        Tensor::try_stack(&powers, -1)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("vander", |a, x| vec![x[0].vander(a.integer("N") as usize)])
}
