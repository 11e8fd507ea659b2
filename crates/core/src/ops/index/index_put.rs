//! `index_put`: the part that an indexing expression names, written or added to.

use crate::ops::prelude::*;
use crate::tensor::Index;

#[fallible]
impl Tensor {
    /// This tensor with `source` in the part that `slice(index)` would return; the source broadcasts to it.
    /// NumPy's `x[index] = source`, as a new tensor.
    ///
    /// When a place is named twice the last one stays; the gradient then counts every one, as PyTorch's does.
    ///
    /// ```
    /// use hadal_core::{Tensor, s};
    /// let x = Tensor::zeros([2, 2]).index_put(s![.., 0], &Tensor::from([1.0f32, 2.0]));
    /// assert_eq!(x.to_vec::<f32>(), [1.0, 0.0, 2.0, 0.0]);
    /// ```
    pub fn index_put(&self, index: impl AsRef<[Index]>, source: impl Operand) -> Result<Tensor> {
        let (positions, source) = self.places(index.as_ref(), source)?;
        self.try_ravel()?.try_index_copy(0, &positions, &source)?.try_reshape(self.shape())
    }

    /// As [`Tensor::index_put`], adding instead of writing: a place that is named twice gets both.
    pub fn index_put_add(&self, index: impl AsRef<[Index]>, source: impl Operand) -> Result<Tensor> {
        let (positions, source) = self.places(index.as_ref(), source)?;
        self.try_ravel()?.try_index_add(0, &positions, &source)?.try_reshape(self.shape())
    }
}

impl Tensor {
    /// The places among all elements that an indexing expression names, and the source for each, as vectors:
    /// the expression is applied to a tensor of the places themselves.
    fn places(&self, index: &[Index], source: impl Operand) -> Result<(Tensor, Tensor)> {
        let places = Tensor::arange(self.elements()).try_reshape(self.shape())?.try_slice(index)?;
        let source = source.beside(self).try_to_dtype(self.dtype())?.try_expand(places.shape())?;
        Ok((places.try_ravel()?, source.try_ravel()?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("index_put", |a, x| {
        let (source, index) = x[1..].split_last().expect("indices and a source");
        let index: Vec<Index> = index.iter().map(Index::from).collect();
        vec![match a.flag("accumulate") {
            true => x[0].index_put_add(index, source),
            false => x[0].index_put(index, source),
        }]
    })
    .reading_elements(&["mask"])
}
