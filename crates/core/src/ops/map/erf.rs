//! `erf`: the error function of each element.

use crate::ops::prelude::*;
use std::f64::consts::FRAC_2_SQRT_PI;

#[derive(Debug)]
struct Erf;

impl Function for Erf {
    const NAME: &'static str = "erf";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.erf()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::erf(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).square().neg().exp()).mul(FRAC_2_SQRT_PI)
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Erf", &[])
    }
}

#[fallible]
impl Tensor {
    /// The error function `2/√π · ∫₀ˣ exp(−t²) dt`.
    pub fn erf(&self) -> Result<Tensor> {
        apply(Erf, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("erf", |_, x| vec![x[0].erf()])
}
