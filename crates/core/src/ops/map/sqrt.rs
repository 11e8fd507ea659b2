//! `sqrt`: the square root of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Sqrt;

impl Function for Sqrt {
    const NAME: &'static str = "sqrt";
    const READS: Reads = Reads::OUTPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.sqrt()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).div(g.output(0).mul(2))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Sqrt", &[])
    }
}

#[fallible]
impl Tensor {
    /// The square root; NaN below 0. Integers are converted to `f32` first.
    pub fn sqrt(&self) -> Result<Tensor> {
        apply(Sqrt, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("sqrt", |_, x| vec![x[0].sqrt()])
}
