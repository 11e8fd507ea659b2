//! `vstack`: tensors joined along their rows.

use crate::ops::prelude::*;
use std::borrow::Borrow;

#[fallible]
impl Tensor {
    /// Joined along axis 0, where vectors and scalars count as rows `[1, n]`.
    pub fn vstack(tensors: &[impl Borrow<Tensor>]) -> Result<Tensor> {
        let rows = |t: &Tensor| if t.rank() < 2 { t.try_reshape([1, t.elements()]) } else { Ok(t.clone()) };
        Tensor::try_cat(&tensors.iter().map(|t| rows(t.borrow())).collect::<Result<Vec<_>>>()?, 0)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("vstack", |_, x| vec![Tensor::vstack(x)])
}
