//! `split`: an axis cut into pieces, which are views; their gradients are joined again by one `cat`.

use crate::ops::prelude::*;
use smallvec::SmallVec;

#[derive(Debug)]
struct Split {
    axis: usize,
    sizes: Vec<usize>,
}

impl Op for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let size = x[0].shape[self.axis];
        if self.sizes.iter().sum::<usize>() != size {
            let message =
                format!("needs sizes that sum to {size} (axis {} of {}), got {:?}", self.axis, x[0].shape, self.sizes);
            return Err(Error::op(self.name(), message));
        }
        let piece = |&n: &usize| {
            let mut shape = x[0].shape.clone();
            shape.sizes_mut()[self.axis] = n;
            x[0].with_shape(shape)
        };
        Ok(self.sizes.iter().map(piece).collect())
    }

    fn views(&self, x: &Layout) -> Option<SmallVec<[Layout; 1]>> {
        let mut start = 0;
        let piece = |&n: &usize| {
            start += n;
            x.slice(self.axis, start - n, 1, n)
        };
        Some(self.sizes.iter().map(piece).collect())
    }

    fn run(&self, _: &[Input], _: &mut [Output]) {
        unreachable!("always views")
    }

    fn grad(&self, g: &Grad) -> Grads {
        let pieces: Vec<Tensor> = (0..self.sizes.len()).map(|i| g.of(i)).collect();
        vec![Some(Tensor::cat(&pieces, self.axis as isize))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let inputs = [x.input(0), x.sizes(&self.sizes)];
        Ok(x.nodes("Split", &inputs, &[("axis", self.axis.into())], self.sizes.len()))
    }
}

#[fallible]
impl Tensor {
    /// Pieces of `size` along `axis`; the last may be smaller. Views.
    pub fn split(&self, size: usize, axis: isize) -> Result<Vec<Tensor>> {
        let at = self.shape().axis(axis, "split")?;
        if size == 0 {
            return Err(Error::op("split", format!("needs pieces of at least 1, got 0 (shape {})", self.shape())));
        }
        let total = self.shape()[at];
        let mut sizes: Vec<usize> = (0..total).step_by(size).map(|start| size.min(total - start)).collect();
        if sizes.is_empty() {
            sizes.push(0); // as PyTorch: an empty axis gives one empty piece
        }
        self.try_split_sizes(&sizes, axis)
    }

    /// Pieces of the given sizes along `axis`; together they must cover it. Views.
    pub fn split_sizes(&self, sizes: &[usize], axis: isize) -> Result<Vec<Tensor>> {
        let axis = self.shape().axis(axis, "split")?;
        Ok(crate::op::apply_all(Split { axis, sizes: sizes.to_vec() }, &[self])?.into_vec())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("split", |a, x| match a.get("sizes").and_then(|v| v.as_i64()) {
        Some(size) => x[0].split(size as usize, a.integer("dim")),
        None => x[0].split_sizes(&a.sizes("sizes"), a.integer("dim")),
    })
}
