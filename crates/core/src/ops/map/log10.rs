//! `log10`: the logarithm to base 10 of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Log10;

impl Function for Log10 {
    const NAME: &'static str = "log10";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.log10()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::log10(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).div(g.input(0).mul(std::f64::consts::LN_10))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].log().mul(std::f64::consts::LOG10_E))
    }
}

#[fallible]
impl Tensor {
    /// The logarithm to base 10.
    pub fn log10(&self) -> Result<Tensor> {
        apply(Log10, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("log10", |_, x| vec![x[0].log10()])
}
