//! `atan`: the inverse tangent of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Atan;

impl Function for Atan {
    const NAME: &'static str = "atan";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.atan()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).div(g.input(0).square().add(1))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Atan", &[])
    }
}

#[fallible]
impl Tensor {
    /// The inverse tangent, −π/2 to π/2.
    pub fn atan(&self) -> Result<Tensor> {
        apply(Atan, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("atan", |_, x| vec![x[0].atan()])
}
