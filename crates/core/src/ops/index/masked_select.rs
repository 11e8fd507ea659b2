//! `masked_select`: the elements where a mask is true.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// The elements where the bool `mask` is true, in row-major order, as a vector; the two broadcast.
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        require_mask("masked_select", mask)?;
        let shape = self.shape().broadcast(mask.shape(), "masked_select")?;
        let positions = Tensor::from_slice(&mask.try_expand(&shape)?.flat_nonzero());
        self.try_expand(&shape)?.try_ravel()?.try_index_select(0, &positions)
    }
}

pub(crate) fn require_mask(op: &str, mask: &Tensor) -> Result<()> {
    if mask.dtype() == DType::Bool {
        return Ok(());
    }
    Err(Error::op(op, format!("needs a bool mask, got {}; compare first: .ne(0)", mask.dtype())))
}

pub(crate) fn cases() -> Cases {
    Cases::new("masked_select", |_, x| vec![x[0].masked_select(&x[1])]).reading_elements(&[])
}
