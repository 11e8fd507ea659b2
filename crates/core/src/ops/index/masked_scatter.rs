//! `masked_scatter`: elements written one after another where a mask is true.

use super::masked_select::require_mask;
use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// This tensor with the first elements of `source`, in row-major order, where the bool `mask` is true.
    /// The mask broadcasts to the tensor.
    pub fn masked_scatter(&self, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
        require_mask("masked_scatter", mask)?;
        let positions = mask.try_expand(self.shape())?.flat_nonzero();
        if positions.len() > source.elements() {
            let message = format!(
                "needs a source of at least {} elements (the mask is true that often), got shape {}",
                positions.len(),
                source.shape()
            );
            return Err(Error::op("masked_scatter", message));
        }
        let used = source.try_ravel()?.try_narrow(0, 0, positions.len())?;
        let written = self.try_ravel()?.try_index_copy(0, &Tensor::from_slice(&positions), &used)?;
        written.try_reshape(self.shape())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("masked_scatter", |_, x| vec![x[0].masked_scatter(&x[1], &x[2])]).reading_elements(&[])
}
