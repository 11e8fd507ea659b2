//! `acosh`: the inverse hyperbolic cosine of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Acosh;

impl Function for Acosh {
    const NAME: &'static str = "acosh";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.acosh()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).square().sub(1).rsqrt())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Acosh", &[])
    }
}

#[fallible]
impl Tensor {
    /// The inverse hyperbolic cosine; NaN below 1.
    pub fn acosh(&self) -> Result<Tensor> {
        apply(Acosh, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("acosh", |_, x| vec![x[0].acosh()])
}
