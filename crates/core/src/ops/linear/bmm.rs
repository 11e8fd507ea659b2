//! `bmm`: the products of two stacks of matrices.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `[b, m, k]` by `[b, k, n]` gives `[b, m, n]`. Nothing broadcasts; see [`Tensor::matmul`] for that.
    pub fn bmm(&self, other: &Tensor) -> Result<Tensor> {
        match (&self.shape()[..], &other.shape()[..]) {
            ([a, _, _], [b, _, _]) if a == b => self.try_matmul(other),
            _ => {
                let message =
                    format!("needs shapes [b, m, k] and [b, k, n], got {} and {}", self.shape(), other.shape());
                Err(Error::op("bmm", message))
            }
        }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("bmm", |_, x| vec![x[0].bmm(&x[1])])
}
