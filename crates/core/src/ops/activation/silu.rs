//! `silu`: `x · sigmoid(x)`, also called swish (Elfwing et al. 2018).

use crate::ops::prelude::*;

#[derive(Debug)]
struct Silu;

impl Function for Silu {
    const NAME: &'static str = "silu";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let e = (-x.abs()).exp();
        let numerator = if x < T::of(0.0) { x * e } else { x };
        numerator / (T::of(1.0) + e)
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::silu(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let x = g.input(0);
        let s = x.sigmoid();
        g.of(0).mul(s.mul(s.neg().add(1).mul(&x).add(1)))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].mul(x[0].sigmoid()))
    }
}

#[fallible]
impl Tensor {
    /// `self · sigmoid(self)`, also known as swish.
    pub fn silu(&self) -> Result<Tensor> {
        apply(Silu, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("silu", |_, x| vec![x[0].silu()])
}
