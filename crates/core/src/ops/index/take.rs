//! `take`: elements by their number in row-major order.

use crate::ops::prelude::*;
use crate::run::bounds;

#[fallible]
impl Tensor {
    /// The elements with the given numbers, counted through this tensor in row-major order (from the end when
    /// negative), in the shape of `index`.
    pub fn take(&self, index: &Tensor) -> Result<Tensor> {
        let index = bounds::wrapped("take", index, 0, self.elements())?;
        self.try_ravel()?.try_index_select(0, &index.try_ravel()?)?.try_reshape(index.shape())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("take", |_, x| vec![x[0].take(&x[1])])
}
