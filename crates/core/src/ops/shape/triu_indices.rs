//! `triu_indices`: the places of a triangle of a matrix.

use crate::ops::prelude::*;

impl Tensor {
    /// Row and column (`i64` `[2, count]`) of the places of a matrix that lie on or above the given diagonal, in row-major
    /// order.
    pub fn triu_indices(rows: usize, columns: usize, diagonal: isize) -> Tensor {
        Tensor::full([rows, columns], true).triu(diagonal).nonzero().t()
    }
}

pub(crate) fn cases() -> Cases {
    // PyTorch's expression has no input but its attributes.
    Cases::new("triu_indices", |a, _| {
        vec![Tensor::triu_indices(a.integer("row") as usize, a.integer("col") as usize, a.integer("offset"))]
    })
}
