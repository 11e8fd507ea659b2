//! `reciprocal`: `1 / x`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Reciprocal;

impl Function for Reciprocal {
    const NAME: &'static str = "reciprocal";
    const READS: Reads = Reads::OUTPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        T::of(1.0) / x
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.output(0).square().neg())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Reciprocal", &[])
    }
}

#[fallible]
impl Tensor {
    /// `1 / self`. Integers are converted to `f32` first.
    pub fn reciprocal(&self) -> Result<Tensor> {
        apply(Reciprocal, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("reciprocal", |_, x| vec![x[0].reciprocal()])
}
