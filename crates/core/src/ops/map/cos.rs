//! `cos`: the cosine of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Cos;

impl Function for Cos {
    const NAME: &'static str = "cos";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.cos()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::cos(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).sin().neg())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Cos", &[])
    }
}

#[fallible]
impl Tensor {
    /// The cosine; angles are in radians.
    pub fn cos(&self) -> Result<Tensor> {
        apply(Cos, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cos", |_, x| vec![x[0].cos()])
}
