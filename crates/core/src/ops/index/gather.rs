//! `gather`: elements chosen along an axis by an index tensor of the same rank.

use crate::ops::prelude::*;
use crate::run::{along, bounds};

/// Inputs: the tensor and checked indices of the same rank.
#[derive(Debug)]
struct Gather(usize);

impl Op for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        fits(self.name(), &x[0].shape, self.0, &x[1].shape)?;
        one(x[0].with_shape(&x[1].shape))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(moves x[0].dtype(), T => along::gather::<T>(&x[0], self.0, &x[1], &mut y[0]));
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        let sum = || {
            let zeros = Tensor::zeros_with((), g.meta(0).dtype).expand(&g.meta(0).shape);
            zeros.scatter_add(self.0 as isize, &g.input(1), &g.of(0))
        };
        vec![g.when(0, sum), None]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("GatherElements", &[("axis", self.0.into())])
    }
}

/// An index of the same rank, not larger than the tensor in the other axes.
pub(crate) fn fits(op: &str, shape: &Shape, axis: usize, index: &Shape) -> Result<()> {
    let larger = |a: usize| a != axis && index[a] > shape[a];
    if index.rank() == shape.rank() && !(0..shape.rank()).any(larger) {
        return Ok(());
    }
    let message =
        format!("needs an index of rank {}, not larger than {shape} except in axis {axis}, got {index}", shape.rank());
    Err(Error::op(op, message))
}

#[fallible]
impl Tensor {
    /// `y[i, j, k] = x[i, index[i, j, k], k]` (for axis 1 of 3): the result has the index's shape.
    pub fn gather(&self, axis: isize, index: &Tensor) -> Result<Tensor> {
        if self.rank() == 0 {
            return self.try_unsqueeze(0)?.try_gather(axis, &index.try_reshape(1)?)?.try_reshape(());
        }
        let axis = self.shape().axis(axis, "gather")?;
        let index = bounds::checked("gather", index, axis, self.shape()[axis])?;
        apply(Gather(axis), &[self, &index])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("gather", |a, x| vec![x[0].gather(a.integer("dim"), &x[1])])
}
