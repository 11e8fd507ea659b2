//! `index_fill`: a number written to chosen positions along an axis.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// This tensor with `value` at the positions `index` along `axis`.
    pub fn index_fill(&self, axis: isize, index: &Tensor, value: impl Operand) -> Result<Tensor> {
        let mut shape = self.shape().clone();
        shape.sizes_mut()[self.shape().axis(axis, "index_fill")?] = index.elements();
        self.try_index_copy(axis, index, &value.beside(self).try_expand(shape)?)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("index_fill", |a, x| vec![x[0].index_fill(a.integer("dim"), &x[1], a.float("value"))])
}
