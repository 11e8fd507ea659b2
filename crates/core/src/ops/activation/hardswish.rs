//! `hardswish`: `x · relu6(x + 3) / 6`, a piecewise quadratic silu (Howard et al. 2019).

use crate::ops::prelude::*;

#[derive(Debug)]
struct Hardswish;

impl Function for Hardswish {
    const NAME: &'static str = "hardswish";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let gate = x + T::of(3.0);
        let gate = if gate < T::of(0.0) { T::of(0.0) } else { gate };
        x * (if gate > T::of(6.0) { T::of(6.0) } else { gate }) / T::of(6.0)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let x = g.input(0);
        let slope = x.div(3).add(0.5);
        g.of(0).mul(x.le(-3).where_(0, x.ge(3).where_(1, slope)))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].mul(x[0].hardsigmoid()))
    }
}

#[fallible]
impl Tensor {
    /// `self · min(max(self + 3, 0), 6) / 6`.
    pub fn hardswish(&self) -> Result<Tensor> {
        apply(Hardswish, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("hardswish", |_, x| vec![x[0].hardswish()])
}
