//! `cartesian_prod`: all tuples of elements of vectors.

use crate::Indexing;
use crate::ops::prelude::*;
use std::borrow::Borrow;

#[fallible]
impl Tensor {
    /// All tuples with one element of each vector, as rows, the last vector changing fastest: `[product of the sizes,
    /// vectors]`; the vector itself if there is only one.
    pub fn cartesian_prod(vectors: &[impl Borrow<Tensor>]) -> Result<Tensor> {
        let grid = Tensor::try_meshgrid(vectors, Indexing::Ij)?;
        match &grid[..] {
            [one] => Ok(one.clone()),
            _ => Tensor::try_stack(&grid.iter().map(Tensor::ravel).collect::<Vec<_>>(), 1),
        }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cartesian_prod", |_, x| vec![Tensor::cartesian_prod(x)])
}
