//! `sinc`: `sin(πx) / (πx)`, element by element.

use crate::ops::prelude::*;
use std::f64::consts::PI;

#[derive(Debug)]
struct Sinc;

impl Function for Sinc {
    const NAME: &'static str = "sinc";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let angle = T::of(PI) * x;
        if angle == T::of(0.0) { T::of(1.0) } else { angle.sin() / angle }
    }

    /// The limit of the slope at 0 is 0.
    fn pull(&self, g: &Grad) -> Tensor {
        let x = g.input(0);
        let slope = x.mul(PI).cos().sub(x.sinc()).div(&x);
        g.of(0).mul(x.eq(0).where_(0, slope))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let angle = x[0].mul(PI);
            angle.eq(0).where_(1, angle.sin().div(&angle))
        })
    }
}

#[fallible]
impl Tensor {
    /// `sin(π·self) / (π·self)`, and 1 at 0.
    pub fn sinc(&self) -> Result<Tensor> {
        apply(Sinc, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("sinc", |_, x| vec![x[0].sinc()])
}
