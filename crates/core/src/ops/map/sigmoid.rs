//! `sigmoid`: `1 / (1 + e⁻ˣ)`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Sigmoid;

impl Function for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const READS: Reads = Reads::OUTPUTS;

    /// By `exp` of a number that is not positive, so that nothing overflows.
    fn value<T: Real>(&self, x: T) -> T {
        let e = (-x.abs()).exp();
        let numerator = if x < T::of(0.0) { e } else { T::of(1.0) };
        numerator / (T::of(1.0) + e)
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::sigmoid(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let y = g.output(0);
        g.of(0).mul(y.mul(1 - &y))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Sigmoid", &[])
    }
}

#[fallible]
impl Tensor {
    /// The logistic function `1 / (1 + exp(−self))`.
    pub fn sigmoid(&self) -> Result<Tensor> {
        apply(Sigmoid, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("sigmoid", |_, x| vec![x[0].sigmoid()])
}
