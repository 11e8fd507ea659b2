//! `meshgrid`: vectors as the coordinates of a grid.

use crate::ops::prelude::*;

/// The order of a grid's first two axes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Indexing {
    /// Matrix order: axis `i` belongs to vector `i`.
    Ij,
    /// Cartesian order: the first two axes exchanged, so that the first vector runs along columns.
    Xy,
}

#[fallible]
impl Tensor {
    /// One tensor per vector, all of the grid's shape, in which vector `i` varies along axis `i` only. Views.
    pub fn meshgrid(vectors: &[impl std::borrow::Borrow<Tensor>], indexing: Indexing) -> Result<Vec<Tensor>> {
        let rank = vectors.len();
        let mut axes: Vec<usize> = (0..rank).collect();
        if indexing == Indexing::Xy && rank >= 2 {
            axes.swap(0, 1);
        }
        let mut grid = Shape::from(vec![1; rank]);
        for (vector, &axis) in vectors.iter().map(|v| v.borrow()).zip(&axes) {
            if vector.rank() > 1 {
                return Err(Error::op("meshgrid", format!("needs vectors, got shape {}", vector.shape())));
            }
            grid.sizes_mut()[axis] = vector.elements();
        }
        let along = |(vector, &axis): (&Tensor, &usize)| {
            let mut shape = Shape::from(vec![1; rank]);
            shape.sizes_mut()[axis] = vector.elements();
            vector.try_reshape(shape)?.try_expand(&grid)
        };
        vectors.iter().map(|v| v.borrow()).zip(&axes).map(along).collect()
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("meshgrid", |a, x| {
        Tensor::meshgrid(x, if a.text("indexing") == "xy" { Indexing::Xy } else { Indexing::Ij })
    })
}
