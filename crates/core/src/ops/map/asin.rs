//! `asin`: the inverse sine of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Asin;

impl Function for Asin {
    const NAME: &'static str = "asin";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.asin()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).square().neg().add(1).rsqrt())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Asin", &[])
    }
}

#[fallible]
impl Tensor {
    /// The inverse sine, −π/2 to π/2; NaN outside −1 to 1.
    pub fn asin(&self) -> Result<Tensor> {
        apply(Asin, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("asin", |_, x| vec![x[0].asin()])
}
