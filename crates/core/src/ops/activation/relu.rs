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
        vec![Some(passed(&g.of(0), &g.output(0).detach()))]
    }
}

/// `gradient` where `y`, the result of [`Relu`], is not 0, in one pass.
#[derive(Debug)]
struct Passed;

fn passed(gradient: &Tensor, y: &Tensor) -> Tensor {
    apply(Passed, &[gradient, y]).unwrap_or_else(|e| e.raise())
}

impl Op for Passed {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => {
            let zero = T::from_i64(0);
            map::binary(x, &mut y[0], each2(|gradient: T, y: T| if y <= zero { zero } else { gradient }))
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || passed(&g.of(0), &g.input(1))), None]
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
