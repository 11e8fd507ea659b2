//! `relu`: `max(x, 0)`, element by element (Nair & Hinton 2010).

use crate::compile::Part;
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

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(through(&g.of(0), &g.output(0).detach()))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.arithmetic("Relu")
    }
}

impl Rewrites for Relu {
    fn bounds(&self) -> Option<(f64, f64)> {
        Some((0.0, f64::INFINITY))
    }
}

/// `g, y → g` where y is positive or NaN, else 0: the gradient of [`Relu`].
#[derive(Debug)]
struct ReluSlope;

fn through(g: &Tensor, y: &Tensor) -> Tensor {
    apply(ReluSlope, &[g, y]).unwrap_or_else(|e| e.raise())
}

impl Op for ReluSlope {
    fn name(&self) -> &'static str {
        "relu_grad"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => {
            let zero = T::from_i64(0);
            map::binary(x, &mut y[0], each2(|g: T, y: T| if y <= zero { zero } else { g }))
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    /// Linear in g, flat in y.
    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || through(&g.of(0), &g.input(1))), g.when(1, || g.of(0).zeros_like())]
    }
}

impl Rewrites for ReluSlope {
    fn part(&self) -> Option<Part> {
        Some(Part::Gates)
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
