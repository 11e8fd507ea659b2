//! `softshrink`: `x` moved towards 0 by λ, and 0 when nearer than that.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Softshrink {
    lambda: f64,
}

impl Function for Softshrink {
    const NAME: &'static str = "softshrink";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let lambda = T::of(self.lambda);
        if x.abs() <= lambda { T::of(0.0) } else { x - lambda.copysign(x) }
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.input(0).abs().le(self.lambda).where_(0, g.of(0))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].abs().le(self.lambda).where_(0, x[0].sub(x[0].sign().mul(self.lambda))))
    }
}

#[fallible]
impl Tensor {
    /// `self` moved towards 0 by `lambda` (PyTorch's default is 0.5); 0 where its absolute value is at most that.
    pub fn softshrink(&self, lambda: f64) -> Result<Tensor> {
        apply(Softshrink { lambda }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("softshrink", |a, x| vec![x[0].softshrink(a.float_or("lambd", 0.5))])
}
