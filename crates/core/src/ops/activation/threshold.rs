//! `threshold`: `x` above a threshold, a fixed value elsewhere.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Threshold {
    threshold: f64,
    value: f64,
}

impl Function for Threshold {
    const NAME: &'static str = "threshold";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        if x <= T::of(self.threshold) { T::of(self.value) } else { x }
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.input(0).le(self.threshold).where_(0, g.of(0))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].le(self.threshold).where_(self.value, &x[0]))
    }
}

#[fallible]
impl Tensor {
    /// `self` where it exceeds `threshold`, `value` elsewhere.
    pub fn threshold(&self, threshold: f64, value: f64) -> Result<Tensor> {
        apply(Threshold { threshold, value }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("threshold", |a, x| vec![x[0].threshold(a.float("threshold"), a.float("value"))])
}
