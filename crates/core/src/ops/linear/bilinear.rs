//! `bilinear`: `aᵀ·W·b + bias` for every output.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[…, m]` and `other [..., n]` by `weight [out, m, n]` give `[…, out]`: `Σ self_i·weight_oij·other_j + bias_o`.
    pub fn bilinear(&self, other: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let fits = match (&weight.shape()[..], self.shape().last(), other.shape().last()) {
            ([_, m, n], Some(a), Some(b)) => m == a && n == b && self.rank() == other.rank(),
            _ => false,
        };
        if !fits {
            let message = format!(
                "needs inputs […, m] and […, n] and a weight [out, m, n], got {}, {} and {}",
                self.shape(),
                other.shape(),
                weight.shape()
            );
            return Err(Error::op("bilinear", message));
        }
        let y = Tensor::try_einsum("...i,oij,...j->...o", &[self, weight, other])?;
        bias.map_or(Ok(y.clone()), |b| y.try_add(b))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("bilinear", |_, x| vec![x[0].bilinear(&x[1], &x[2], x.get(3))])
}
