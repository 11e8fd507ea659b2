//! `hstack`: tensors joined along their columns.

use crate::ops::prelude::*;
use std::borrow::Borrow;

#[fallible]
impl Tensor {
    /// Joined along axis 1; vectors along their only axis, and scalars as vectors.
    pub fn hstack(tensors: &[impl Borrow<Tensor>]) -> Result<Tensor> {
        let axis = tensors.iter().all(|t| t.borrow().rank() >= 2) as isize;
        let grown = tensors
            .iter()
            .map(|t| if t.borrow().rank() == 0 { t.borrow().try_reshape(1) } else { Ok(t.borrow().clone()) });
        Tensor::try_cat(&grown.collect::<Result<Vec<_>>>()?, axis)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("hstack", |_, x| vec![Tensor::hstack(x)])
}
