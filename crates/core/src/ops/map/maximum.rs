//! `maximum`: the larger of two elements.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Maximum;

impl Op for Maximum {
    fn name(&self) -> &'static str {
        "maximum"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?)
    }

    /// A NaN on either side wins, as in PyTorch.
    #[allow(clippy::eq_op)] // only NaN differs from itself
    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all y[0].dtype(), T => {
            map::binary(x, &mut y[0], each2(|a: T, b: T| if a.lt(&b) || b != b { b } else { a }));
        });
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// Equal elements get half each.
    fn grad(&self, g: &Grad) -> Grads {
        let (a, b) = (g.input(0), g.input(1));
        let shared = a.eq(&b).where_(g.of(0).mul(0.5), g.of(0));
        vec![
            g.when(0, || a.lt(&b).where_(0, &shared).sum_to(&g.meta(0).shape)),
            g.when(1, || a.gt(&b).where_(0, &shared).sum_to(&g.meta(1).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.arithmetic("Max")
    }
}

#[fallible]
impl Tensor {
    /// The larger of `self` and `other`, broadcasting; NaN where either is NaN. Equal elements share the gradient.
    pub fn maximum(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Maximum, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("maximum", |_, x| vec![x[0].maximum(&x[1])])
}
