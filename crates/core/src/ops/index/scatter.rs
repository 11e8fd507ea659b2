//! `scatter`: elements written to positions along an axis that an index tensor names.

use crate::ops::prelude::*;
use crate::run::{along, bounds, copy};

/// Inputs: the tensor, checked indices, and a source of the indices' shape.
#[derive(Debug)]
struct Scatter(usize);

impl Op for Scatter {
    fn name(&self) -> &'static str {
        "scatter"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        super::gather::fits(self.name(), &x[0].shape, self.0, &x[1].shape)?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        copy::copy(&x[0], &mut y[0]);
        dispatch!(all x[0].dtype(), T => {
            along::scatter::<T>(y[0].slice(), x[0].shape(), self.0, &x[1], &x[2], |y, x| *y = x)
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    /// Written places have nothing of the tensor; the source's gradient is exact where no place is written twice.
    fn grad(&self, g: &Grad) -> Grads {
        let (axis, index) = (self.0 as isize, g.input(1));
        let kept = || g.of(0).scatter(axis, &index, Tensor::zeros_with((), g.meta(0).dtype));
        vec![g.when(0, kept), None, g.when(2, || g.of(0).gather(axis, &index))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("ScatterElements", &[("axis", self.0.into())])
    }
}

#[fallible]
impl Tensor {
    /// This tensor with `source[i, j, k]`, or a number, written at `[i, index[i, j, k], k]` (for axis 1 of 3).
    /// When a place is named twice the last one stays; the gradient then counts every one, as PyTorch's does.
    pub fn scatter(&self, axis: isize, index: &Tensor, source: impl Operand) -> Result<Tensor> {
        let source = source.beside(self);
        if self.rank() == 0 {
            let (index, source) = (index.try_reshape(1)?, source.try_reshape(1)?);
            return self.try_unsqueeze(0)?.try_scatter(axis, &index, &source)?.try_reshape(());
        }
        let axis = self.shape().axis(axis, "scatter")?;
        let index = bounds::checked("scatter", index, axis, self.shape()[axis])?;
        let source = if source.rank() == 0 { source.try_expand(index.shape())? } else { source };
        let source = source.try_to_dtype(self.dtype())?.cropped("scatter", index.shape())?;
        apply(Scatter(axis), &[self, &index, &source])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("scatter", |a, x| match a.float_opt("value") {
        Some(value) => vec![x[0].scatter(a.integer("dim"), &x[1], value)],
        None => vec![x[0].scatter(a.integer("dim"), &x[1], &x[2])],
    })
}
