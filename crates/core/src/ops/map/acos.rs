//! `acos`: the inverse cosine of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Acos;

impl Function for Acos {
    const NAME: &'static str = "acos";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.acos()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).square().neg().add(1).rsqrt().neg())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Acos", &[])
    }
}

#[fallible]
impl Tensor {
    /// The inverse cosine, 0 to π; NaN outside −1 to 1.
    pub fn acos(&self) -> Result<Tensor> {
        apply(Acos, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("acos", |_, x| vec![x[0].acos()])
}
