//! `sinh`: the hyperbolic sine of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Sinh;

impl Function for Sinh {
    const NAME: &'static str = "sinh";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.sinh()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).cosh())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Sinh", &[])
    }
}

#[fallible]
impl Tensor {
    /// The hyperbolic sine.
    pub fn sinh(&self) -> Result<Tensor> {
        apply(Sinh, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("sinh", |_, x| vec![x[0].sinh()])
}
