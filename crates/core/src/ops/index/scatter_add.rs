//! `scatter_add`: the adjoint of `gather`.

use crate::ops::prelude::*;
use crate::run::{along, bounds, copy};

/// Inputs: the tensor, checked indices, and a source of the indices' shape.
#[derive(Debug)]
struct ScatterAdd(usize);

impl Op for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        super::gather::fits(self.name(), &x[0].shape, self.0, &x[1].shape)?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        copy::copy(&x[0], &mut y[0]);
        dispatch!(numbers x[0].dtype(), T => {
            along::scatter::<T>(y[0].slice(), x[0].shape(), self.0, &x[1], &x[2], |y, x| *y = map::Number::plus(*y, x))
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || g.of(0)), None, g.when(2, || g.of(0).gather(self.0 as isize, &g.input(1)))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("ScatterElements", &[("axis", self.0.into()), ("reduction", "add".into())])
    }
}

#[fallible]
impl Tensor {
    /// This tensor with `source[i, j, k]` added at `[i, index[i, j, k], k]` (for axis 1 of 3), in row-major
    /// order. The source may be larger than the index; the rest of it is not used.
    pub fn scatter_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        if self.dtype() == DType::Bool {
            return Err(Error::op("scatter_add", "of bool tensors is not defined; convert them to integers"));
        }
        if self.rank() == 0 {
            let (index, source) = (index.try_reshape(1)?, source.try_reshape(1)?);
            return self.try_unsqueeze(0)?.try_scatter_add(axis, &index, &source)?.try_reshape(());
        }
        let axis = self.shape().axis(axis, "scatter_add")?;
        let index = bounds::checked("scatter_add", index, axis, self.shape()[axis])?;
        let source = source.try_to_dtype(self.dtype())?.cropped("scatter_add", index.shape())?;
        apply(ScatterAdd(axis), &[self, &index, &source])
    }
}

impl Tensor {
    /// The first elements along every axis, as many as `shape` says: the part of a scatter's source that is used.
    pub(crate) fn cropped(&self, op: &str, shape: &Shape) -> Result<Tensor> {
        if self.rank() != shape.rank() || self.shape().iter().zip(shape.iter()).any(|(have, need)| have < need) {
            let message = format!("needs a source at least as large as the index {shape}, got {}", self.shape());
            return Err(Error::op(op, message));
        }
        shape.iter().enumerate().try_fold(self.clone(), |x, (axis, &n)| x.stepped(axis, 0, 1, n))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("scatter_add", |a, x| vec![x[0].scatter_add(a.integer("dim"), &x[1], &x[2])])
}
