//! `exp`: e to the power of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Exp;

impl Function for Exp {
    const NAME: &'static str = "exp";
    const READS: Reads = Reads::OUTPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.exp()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::exp(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.output(0))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Exp", &[])
    }
}

#[fallible]
impl Tensor {
    /// e to the power of each element. Integers are converted to `f32` first.
    pub fn exp(&self) -> Result<Tensor> {
        apply(Exp, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("exp", |_, x| vec![x[0].exp()])
}
