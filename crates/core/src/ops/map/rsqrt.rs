//! `rsqrt`: `1 / √x`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Rsqrt;

impl Function for Rsqrt {
    const NAME: &'static str = "rsqrt";
    const READS: Reads = Reads::OUTPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        T::of(1.0) / x.sqrt()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let y = g.output(0);
        g.of(0).mul(y.square().mul(&y)).mul(-0.5)
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].sqrt().reciprocal())
    }
}

#[fallible]
impl Tensor {
    /// The reciprocal of the square root; ∞ at 0 and NaN below.
    pub fn rsqrt(&self) -> Result<Tensor> {
        apply(Rsqrt, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("rsqrt", |_, x| vec![x[0].rsqrt()])
}
