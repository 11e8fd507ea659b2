//! `atanh`: the inverse hyperbolic tangent of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Atanh;

impl Function for Atanh {
    const NAME: &'static str = "atanh";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.atanh()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).div(1 - g.input(0).square())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Atanh", &[])
    }
}

#[fallible]
impl Tensor {
    /// The inverse hyperbolic tangent; ±∞ at ±1 and NaN beyond.
    pub fn atanh(&self) -> Result<Tensor> {
        apply(Atanh, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("atanh", |_, x| vec![x[0].atanh()])
}
