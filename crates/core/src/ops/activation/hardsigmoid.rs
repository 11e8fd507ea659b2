//! `hardsigmoid`: `relu6(x + 3) / 6`, a piecewise linear sigmoid.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Hardsigmoid;

impl Function for Hardsigmoid {
    const NAME: &'static str = "hardsigmoid";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let gate = x + T::of(3.0);
        let gate = if gate < T::of(0.0) { T::of(0.0) } else { gate };
        (if gate > T::of(6.0) { T::of(6.0) } else { gate }) / T::of(6.0)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let x = g.input(0);
        x.abs().lt(3).where_(g.of(0).div(6), 0)
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("HardSigmoid", &[("alpha", (1.0 / 6.0).into()), ("beta", 0.5.into())])
    }
}

#[fallible]
impl Tensor {
    /// `min(max(self + 3, 0), 6) / 6`; the derivative at ±3 is 0.
    pub fn hardsigmoid(&self) -> Result<Tensor> {
        apply(Hardsigmoid, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("hardsigmoid", |_, x| vec![x[0].hardsigmoid()])
}
