//! `relu`: `max(x, 0)`, element by element (Nair & Hinton 2010).

use crate::ops::prelude::*;

#[derive(Debug)]
struct Relu;

impl Op for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_number(self, &x[0])?;
        one(x[0].clone())
    }

    /// A comparison that is false for NaN keeps NaN, as PyTorch does.
    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => {
            let zero = T::from_i64(0);
            map::unary(&x[0], &mut y[0], each(|v: T| if v < zero { zero } else { v }))
        });
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(g.of(0).mul(g.output(0).detach().gt(0)))]
    }
}

#[fallible]
impl Tensor {
    /// `max(self, 0)`. The derivative at 0 is 0.
    pub fn relu(&self) -> Result<Tensor> {
        apply(Relu, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("relu", |_, x| vec![x[0].relu()])
}
