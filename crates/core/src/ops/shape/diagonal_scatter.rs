//! `diagonal_scatter`: a diagonal replaced.

use crate::ops::prelude::*;

#[fallible]
impl Tensor {
    /// This tensor with `source` as what [`Tensor::diagonal`] would return.
    pub fn diagonal_scatter(&self, source: &Tensor, offset: isize, a: isize, b: isize) -> Result<Tensor> {
        let places = Tensor::arange(self.elements()).try_reshape(self.shape())?.try_diagonal(offset, a, b)?;
        if source.shape() != places.shape() {
            let message = format!("needs a source of shape {}, got {}", places.shape(), source.shape());
            return Err(Error::op("diagonal_scatter", message));
        }
        self.try_ravel()?.try_index_copy(0, &places.try_ravel()?, &source.try_ravel()?)?.try_reshape(self.shape())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("diagonal_scatter", |a, x| {
        vec![x[0].diagonal_scatter(&x[1], a.integer("offset"), a.integer("dim1"), a.integer("dim2"))]
    })
}
