//! `dstack`: tensors joined along the third axis.

use crate::ops::prelude::*;
use std::borrow::Borrow;

#[fallible]
impl Tensor {
    /// Joined along axis 2, where vectors count as `[1, n, 1]` and matrices as `[m, n, 1]`.
    pub fn dstack(tensors: &[impl Borrow<Tensor>]) -> Result<Tensor> {
        let deep = |t: &Tensor| match t.rank() {
            0 | 1 => t.try_reshape([1, t.elements(), 1]),
            2 => t.try_unsqueeze(2),
            _ => Ok(t.clone()),
        };
        Tensor::try_cat(&tensors.iter().map(|t| deep(t.borrow())).collect::<Result<Vec<_>>>()?, 2)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("dstack", |_, x| vec![Tensor::dstack(x)])
}
