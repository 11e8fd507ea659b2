//! `sin`: the sine of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Sin;

impl Function for Sin {
    const NAME: &'static str = "sin";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.sin()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::sin(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).cos())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Sin", &[])
    }
}

#[fallible]
impl Tensor {
    /// The sine; angles are in radians.
    pub fn sin(&self) -> Result<Tensor> {
        apply(Sin, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("sin", |_, x| vec![x[0].sin()])
}
