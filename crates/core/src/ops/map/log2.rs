//! `log2`: the logarithm to base 2 of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Log2;

impl Function for Log2 {
    const NAME: &'static str = "log2";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.log2()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::log2(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).div(g.input(0).mul(std::f64::consts::LN_2))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].log().mul(std::f64::consts::LOG2_E))
    }
}

#[fallible]
impl Tensor {
    /// The logarithm to base 2.
    pub fn log2(&self) -> Result<Tensor> {
        apply(Log2, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("log2", |_, x| vec![x[0].log2()])
}
