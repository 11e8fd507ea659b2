//! `gelu`: `x · Φ(x)` with the normal distribution function Φ (Hendrycks & Gimpel 2016).

use crate::ops::prelude::*;
use std::f64::consts::FRAC_1_SQRT_2;

#[derive(Debug)]
struct Gelu;

impl Function for Gelu {
    const NAME: &'static str = "gelu";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        T::of(0.5) * x * (T::of(1.0) + (x * T::of(FRAC_1_SQRT_2)).erf())
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::gelu(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        Pull { name: "gelu_grad", single: math::gelu_grad, double: math::gelu_grad_f64 }.of(g)
    }

    fn composed(&self, x: &Tensor) -> Option<Tensor> {
        Some(x.mul(FRAC_1_SQRT_2).erf().add(1).mul(x).mul(0.5))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Gelu", &[])
    }
}

#[fallible]
impl Tensor {
    /// `self · Φ(self)`, Φ being the standard normal distribution function, by the error function.
    pub fn gelu(&self) -> Result<Tensor> {
        apply(Gelu, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("gelu", |_, x| vec![x[0].gelu()])
}
