//! `erfc`: the complementary error function of each element.

use crate::ops::prelude::*;
use std::f64::consts::FRAC_2_SQRT_PI;

#[derive(Debug)]
struct Erfc;

impl Function for Erfc {
    const NAME: &'static str = "erfc";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.erfc()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).square().neg().exp()).mul(-FRAC_2_SQRT_PI)
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| 1 - x[0].erf())
    }
}

#[fallible]
impl Tensor {
    /// `1 − erf(self)`, accurate far out.
    pub fn erfc(&self) -> Result<Tensor> {
        apply(Erfc, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("erfc", |_, x| vec![x[0].erfc()])
}
