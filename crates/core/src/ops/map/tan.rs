//! `tan`: the tangent of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Tan;

impl Function for Tan {
    const NAME: &'static str = "tan";
    const READS: Reads = Reads::OUTPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.tan()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::tan(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.output(0).square().add(1))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Tan", &[])
    }
}

#[fallible]
impl Tensor {
    /// The tangent; angles are in radians.
    pub fn tan(&self) -> Result<Tensor> {
        apply(Tan, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("tan", |_, x| vec![x[0].tan()])
}
