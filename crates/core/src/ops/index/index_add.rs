//! `index_add`: slices of one tensor added to chosen positions of another, along an axis.

use crate::ops::prelude::*;
use crate::run::{bounds, copy, rowwise};

/// Inputs: the tensor, indices `[n]` that have been checked, and the slices to add.
#[derive(Debug)]
struct IndexAdd(usize);

impl Op for IndexAdd {
    fn name(&self) -> &'static str {
        "index_add"
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
        fn run<T: map::Number>(axis: usize, x: &[Input], y: &mut Output) {
            let (shape, source) = (x[0].shape(), x[2].contiguous::<T>());
            let inner = shape[axis + 1..].iter().product();
            rowwise::scatter(y.slice::<T>(), shape[axis], inner, &x[1].contiguous(), &source, |y, x| *y = y.plus(x));
        }
        copy::copy(&x[0], &mut y[0]);
        dispatch!(numbers x[0].dtype(), T => run::<T>(self.0, x, &mut y[0]));
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || g.of(0)), None, g.when(2, || g.of(0).index_select(self.0 as isize, &g.input(1)))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let source = &x.meta(2).shape;
        let index: Vec<usize> = (0..source.rank()).map(|axis| if axis == self.0 { source[axis] } else { 1 }).collect();
        let index = x.node("Expand", &[x.reshape(x.input(1), &index), x.sizes(source)], &[]);
        let attributes = [("axis", self.0.into()), ("reduction", "add".into())];
        Ok(vec![x.node("ScatterElements", &[x.input(0), index, x.input(2)], &attributes)])
    }
}

#[fallible]
impl Tensor {
    /// This tensor with slice `i` of `source` added at position `index[i]` along `axis`, for each `i` in order.
    pub fn index_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let axis = self.shape().axis(axis, "index_add")?;
        if index.rank() != 1 {
            return Err(Error::op("index_add", format!("needs a vector of indices, got shape {}", index.shape())));
        }
        if self.dtype() == DType::Bool {
            return Err(Error::op("index_add", "of bool tensors is not defined; convert them to integers"));
        }
        let index = bounds::checked("index_add", index, axis, self.shape()[axis])?;
        apply(IndexAdd(axis), &[self, &index, &source.try_to_dtype(self.dtype())?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("index_add", |a, x| vec![x[0].index_add(a.integer("dim"), &x[1], &x[2].mul(a.float_or("alpha", 1.0)))])
}
