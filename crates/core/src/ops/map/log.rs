//! `log`: the natural logarithm of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Log;

impl Function for Log {
    const NAME: &'static str = "log";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.log()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::log(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).div(g.input(0))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Log", &[])
    }
}

#[fallible]
impl Tensor {
    /// The natural logarithm; −∞ at 0 and NaN below. Integers are converted to `f32` first.
    pub fn log(&self) -> Result<Tensor> {
        apply(Log, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("log", |_, x| vec![x[0].log()])
}
