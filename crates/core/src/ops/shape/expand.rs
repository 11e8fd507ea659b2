//! `expand`: stretched to a larger shape by broadcasting, as a view; and its adjoint `sum_to`.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Expand(Shape);

impl Op for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let joined = x[0].shape.broadcast(&self.0, self.name())?;
        if joined != self.0 {
            return Err(Error::op(self.name(), format!("cannot stretch {} to {}", x[0].shape, self.0)));
        }
        one(x[0].with_shape(joined))
    }

    fn view(&self, x: &Layout) -> Option<Layout> {
        Some(x.broadcast_to(&self.0))
    }

    fn run(&self, _: &[Input], _: &mut [Output]) {
        unreachable!("always a view")
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).sum_to(&g.meta(0).shape))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.node("Expand", &[x.input(0), x.sizes(&self.0)], &[])])
    }
}

#[fallible]
impl Tensor {
    /// Stretched to `shape` by NumPy's broadcasting rule. A view: the memory is shared.
    pub fn expand(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if shape == *self.shape() { Ok(self.clone()) } else { apply(Expand(shape), &[self]) }
    }

    /// Stretched to the shape of `other`. A view.
    pub fn expand_as(&self, other: &Tensor) -> Result<Tensor> {
        self.try_expand(other.shape())
    }

    /// The adjoint of [`Tensor::expand`]: sums over the axes along which `shape` was stretched.
    pub fn sum_to(&self, shape: &Shape) -> Result<Tensor> {
        if shape == self.shape() {
            return Ok(self.clone());
        }
        let Some(new) = self.rank().checked_sub(shape.rank()) else {
            return Err(Error::op("sum_to", format!("cannot reduce {} to {shape}", self.shape())));
        };
        let stretched = |&a: &usize| a < new || shape[a - new] == 1 && self.shape()[a] != 1;
        let axes: Vec<usize> = (0..self.rank()).filter(stretched).collect();
        self.try_sum_keepdim(&axes[..])?.try_reshape(shape)
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("expand", |a, x| {
        let sizes = a.integers("shape");
        let new = sizes.len() - x[0].rank();
        let size = |(i, &n): (usize, &isize)| if n < 0 { x[0].shape()[i - new] } else { n as usize };
        vec![x[0].expand(sizes.iter().enumerate().map(size).collect::<Shape>())]
    })
}
