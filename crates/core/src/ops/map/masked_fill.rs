//! `masked_fill`: a number in the place of masked elements.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// `value` where the bool `mask` is true, `self` elsewhere; the type stays. The mask broadcasts to the tensor.
    pub fn masked_fill(&self, mask: &Tensor, value: impl Operand) -> Result<Tensor> {
        let value = value.beside(self).try_to_dtype(self.dtype())?;
        mask.try_where_(value, self)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("masked_fill", |a, x| {
        vec![match a.float_opt("value") {
            Some(value) => x[0].masked_fill(&x[1], value),
            None => x[0].masked_fill(&x[1], &x[2]),
        }]
    })
}
