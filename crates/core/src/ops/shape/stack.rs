//! `stack`: tensors of one shape joined along a new axis.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The tensors, all of one shape, as the positions of a new axis number `axis`.
    pub fn stack(tensors: &[impl std::borrow::Borrow<Tensor>], axis: isize) -> Result<Tensor> {
        let Some(first) = tensors.first() else { return Err(Error::op("stack", "needs at least one tensor")) };
        let shape = first.borrow().shape();
        if let Some(i) = tensors.iter().position(|t| t.borrow().shape() != shape) {
            let message = format!("needs equal shapes, got {shape} and (number {i}) {}", tensors[i].borrow().shape());
            return Err(Error::op("stack", message));
        }
        let parts = tensors.iter().map(|t| t.borrow().try_unsqueeze(axis)).collect::<Result<Vec<_>>>()?;
        let axis = if axis < 0 { axis + shape.rank() as isize + 1 } else { axis };
        Tensor::try_cat(&parts, axis)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("stack", |a, x| vec![Tensor::stack(x, a.integer("dim"))])
}
