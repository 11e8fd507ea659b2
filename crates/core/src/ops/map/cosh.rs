//! `cosh`: the hyperbolic cosine of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Cosh;

impl Function for Cosh {
    const NAME: &'static str = "cosh";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.cosh()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).sinh())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Cosh", &[])
    }
}

#[fallible]
impl Tensor {
    /// The hyperbolic cosine.
    pub fn cosh(&self) -> Result<Tensor> {
        apply(Cosh, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cosh", |_, x| vec![x[0].cosh()])
}
