//! `hardshrink`: 0 near 0, `x` elsewhere.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Hardshrink {
    lambda: f64,
}

impl Function for Hardshrink {
    const NAME: &'static str = "hardshrink";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        if x.abs() <= T::of(self.lambda) { T::of(0.0) } else { x }
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.input(0).abs().le(self.lambda).where_(0, g.of(0))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].abs().le(self.lambda).where_(0, &x[0]))
    }
}

#[fallible]
impl Tensor {
    /// `self` where its absolute value exceeds `lambda` (PyTorch's default is 0.5), 0 elsewhere.
    pub fn hardshrink(&self, lambda: f64) -> Result<Tensor> {
        apply(Hardshrink { lambda }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("hardshrink", |a, x| vec![x[0].hardshrink(a.float_or("lambd", 0.5))])
}
