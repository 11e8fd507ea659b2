//! `reshape`: the same elements in row-major order under another shape.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Reshape(Shape);

impl Op for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn kind(&self) -> Kind {
        Kind::View
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if x[0].shape.elements() != self.0.elements() {
            let message = format!(
                "cannot turn {} ({} elements) into {} ({} elements)",
                x[0].shape,
                x[0].shape.elements(),
                self.0,
                self.0.elements()
            );
            return Err(Error::op(self.name(), message));
        }
        one(x[0].with_shape(&self.0))
    }

    fn view(&self, x: &Layout) -> Option<Layout> {
        x.reshape(&self.0)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all y[0].dtype(), T => y[0].slice::<T>().copy_from_slice(&x[0].contiguous::<T>()));
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).reshape(&g.meta(0).shape))]
    }
}

#[fallible]
impl Tensor {
    /// The same elements in row-major order under another shape; a view where the layout allows, else a copy.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if shape == *self.shape() { Ok(self.clone()) } else { apply(Reshape(shape), &[self]) }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("reshape", |a, x| {
        let x = if a.torch().contains(".t()") { x[0].t() } else { x[0].clone() };
        vec![x.reshape(a.shape_of("shape", x.elements()))]
    })
}
