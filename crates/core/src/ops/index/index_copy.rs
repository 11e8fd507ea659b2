//! `index_copy`: slices written to chosen positions along an axis.

use crate::ops::prelude::*;
use crate::run::{bounds, copy, rowwise};
use crate::tensor::Bits;

/// Inputs: the tensor, indices `[n]` that have been checked, and the slices to write.
#[derive(Debug)]
struct IndexCopy(usize);

impl Op for IndexCopy {
    fn name(&self) -> &'static str {
        "index_copy"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let mut expected = x[0].shape.clone();
        expected.sizes_mut()[self.0] = x[1].shape[0];
        if x[2].shape != expected {
            let message = format!(
                "needs a source of shape {expected} (axis {} of {} has {} indices), got {}",
                self.0, x[0].shape, x[1].shape[0], x[2].shape
            );
            return Err(Error::op(self.name(), message));
        }
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        fn run<T: Bits>(axis: usize, x: &[Input], y: &mut Output) {
            let (shape, source) = (x[0].shape(), x[2].contiguous_bits::<T>());
            let inner = shape[axis + 1..].iter().product();
            rowwise::scatter(y.bits::<T>(), shape[axis], inner, &x[1].contiguous(), &source, |y, x| *y = x);
        }
        copy::copy(&x[0], &mut y[0]);
        dispatch!(moves x[0].dtype(), T => run::<T>(self.0, x, &mut y[0]));
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        let (axis, index) = (self.0 as isize, g.input(1));
        vec![g.when(0, || g.of(0).index_fill(axis, &index, 0)), None, g.when(2, || g.of(0).index_select(axis, &index))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let source = &x.meta(2).shape;
        let index: Vec<usize> = (0..source.rank()).map(|axis| if axis == self.0 { source[axis] } else { 1 }).collect();
        let index = x.node("Expand", &[x.reshape(x.input(1), &index), x.sizes(source)], &[]);
        let attributes = [("axis", self.0.into()), ("reduction", "none".into())];
        Ok(vec![x.node("ScatterElements", &[x.input(0), index, x.input(2)], &attributes)])
    }
}

#[fallible]
impl Tensor {
    /// This tensor with slice `i` of `source` written at position `index[i]` along `axis`, for each `i` in
    /// order. When a position is named twice the last one stays; the gradient then counts every one, as PyTorch's does.
    pub fn index_copy(&self, axis: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "index_copy")?;
        if index.rank() != 1 {
            return Err(Error::op("index_copy", format!("needs a vector of indices, got shape {}", index.shape())));
        }
        let index = bounds::checked("index_copy", index, axis, self.shape()[axis])?;
        apply(IndexCopy(axis), &[self, &index, &source.try_to_dtype(self.dtype())?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("index_copy", |a, x| vec![x[0].index_copy(a.integer("dim"), &x[1], &x[2])])
}
