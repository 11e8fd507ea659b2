//! `one_hot`: class numbers as unit vectors.

use crate::ops::prelude::*;
use crate::run::bounds;

#[fallible]
impl Tensor {
    /// For integers of shape `[…]`, an `i64` tensor `[…, classes]` with a single 1 at the class.
    pub fn one_hot(&self, classes: usize) -> Result<Tensor> {
        let index = bounds::checked("one_hot", self, self.rank(), classes)?.try_unsqueeze(-1)?;
        let mut shape = self.shape().clone();
        shape.sizes_mut().push(classes);
        Tensor::zeros_with(shape, DType::I64).try_scatter(-1, &index, 1i64)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("one_hot", |a, x| {
        let largest = || x[0].to_vec::<i64>().into_iter().max().map_or(0, |m| m as usize + 1);
        vec![x[0].one_hot(a.integer("num_classes").try_into().unwrap_or_else(|_| largest()))]
    })
    .reading_elements(&["inferred"])
}
