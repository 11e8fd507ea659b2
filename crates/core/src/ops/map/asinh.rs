//! `asinh`: the inverse hyperbolic sine of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Asinh;

impl Function for Asinh {
    const NAME: &'static str = "asinh";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.asinh()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).square().add(1).rsqrt())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Asinh", &[])
    }
}

#[fallible]
impl Tensor {
    /// The inverse hyperbolic sine.
    pub fn asinh(&self) -> Result<Tensor> {
        apply(Asinh, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("asinh", |_, x| vec![x[0].asinh()])
}
