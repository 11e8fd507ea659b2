//! `tanh`: the hyperbolic tangent of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Tanh;

impl Function for Tanh {
    const NAME: &'static str = "tanh";
    const READS: Reads = Reads::OUTPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.tanh()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::tanh(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let y = g.output(0);
        g.of(0).mul(1 - y.square())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Tanh", &[])
    }
}

#[fallible]
impl Tensor {
    /// The hyperbolic tangent.
    pub fn tanh(&self) -> Result<Tensor> {
        apply(Tanh, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("tanh", |_, x| vec![x[0].tanh()])
}
