//! Indexing with tensors, `x[rows, columns]` and `x[mask]`: the part of [`Tensor::slice`] that copies.

use crate::ops::prelude::*;
use crate::run::bounds;
use smallvec::SmallVec;

impl Tensor {
    /// This tensor with index tensors in place of axes, given with the first axis each one stands for.
    ///
    /// The indices are broadcast together. Their axes take the place of the indexed ones where those are
    /// neighbours, else they come first, as in NumPy.
    pub(crate) fn picked(&self, indices: Vec<(usize, Tensor)>) -> Result<Tensor> {
        let indices = positions(self, indices)?;
        let axes: SmallVec<[usize; 4]> = indices.iter().map(|(axis, _)| *axis).collect();
        let shape = indices.iter().try_fold(Shape::default(), |shape, (_, i)| shape.broadcast(i.shape(), "slice"))?;
        // One index into the indexed axes taken as one.
        let mut joined = Tensor::zeros_with((), DType::I64);
        for (axis, index) in &indices {
            joined = joined.try_mul(self.shape()[*axis] as i64)?.try_add(index)?;
        }
        let joined = joined.try_expand(&shape)?.try_ravel()?;
        let neighbours = axes.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let (x, at) = if neighbours {
            (self.clone(), axes[0])
        } else {
            (self.try_movedim(&axes[..], &(0..axes.len()).collect::<Vec<_>>()[..])?, 0)
        };
        let rows = x.try_flatten(at as isize, (at + axes.len() - 1) as isize)?;
        let picked = rows.try_index_select(at as isize, &joined)?;
        let mut result = picked.shape().clone();
        result.sizes_mut().remove(at);
        result.sizes_mut().insert_from_slice(at, &shape);
        picked.try_reshape(result)
    }
}

/// One checked integer tensor per indexed axis: masks become the positions where they are true.
fn positions(x: &Tensor, indices: Vec<(usize, Tensor)>) -> Result<Vec<(usize, Tensor)>> {
    let mut result = Vec::new();
    for (axis, index) in indices {
        if index.dtype() != DType::Bool {
            result.push((axis, bounds::wrapped("slice", &index, axis, x.shape()[axis])?));
            continue;
        }
        let masked = &x.shape()[axis..axis + index.rank()];
        if index.rank() == 0 || index.shape()[..] != *masked {
            let message = format!(
                "got a mask of shape {} for the axes of sizes {masked:?} (shape {}); they must be equal",
                index.shape(),
                x.shape()
            );
            return Err(Error::op("slice", message));
        }
        let found = index.nonzero();
        for i in 0..index.rank() {
            result.push((axis + i, found.try_select(1, i as isize)?));
        }
    }
    Ok(result)
}

pub(crate) fn cases() -> Cases {
    use crate::s;
    Cases::new("index", |a, x| {
        let (x, i) = (&x[0], &x[1..]);
        vec![match a.torch().split(" -> ").last() {
            Some("x[i]") => x.slice(s![&i[0]]),
            Some("x[:, i]") => x.slice(s![.., &i[0]]),
            Some("x[i, :, j]") => x.slice(s![&i[0], .., &i[1]]),
            _ => x.slice(s![&i[0], &i[1]]),
        }]
    })
    .reading_elements(&["mask", "row_mask", "empty_mask"])
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, s};

    #[test]
    fn mistakes_are_explained() {
        let x = Tensor::zeros([2, 3]);
        let error = |index: Tensor| x.try_slice(s![.., index]).unwrap_err().to_string();
        assert_eq!(
            error(Tensor::from([0i64, -4])),
            "slice got index -4 at position [1]; allowed for axis 1 are -3 to 2"
        );
        assert_eq!(
            error(Tensor::from([true, false])),
            "slice got a mask of shape [2] for the axes of sizes [3] (shape [2, 3]); they must be equal"
        );
    }
}
