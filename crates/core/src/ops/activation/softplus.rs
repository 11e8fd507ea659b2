//! `softplus`: `log(1 + eˣ)`, a smooth relu, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Softplus {
    beta: f64,
    threshold: f64,
}

impl Function for Softplus {
    const NAME: &'static str = "softplus";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let z = T::of(self.beta) * x;
        let tail = (-z.abs()).exp().log1p();
        let value = if z > T::of(0.0) { z + tail } else { tail };
        if z > T::of(self.threshold) { x } else { value / T::of(self.beta) }
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let z = g.input(0).mul(self.beta);
        g.of(0).mul(z.gt(self.threshold).where_(1, z.sigmoid()))
    }

    /// Beyond 20 the function is its argument, to the last bit of `f32`.
    fn onnx(&self, x: &Writer) -> Result<Values> {
        match (self.beta, self.threshold) {
            (1.0, 20.0..) => x.op("Softplus", &[]),
            (beta, threshold) => x.composed(|x| {
                let z = x[0].mul(beta);
                z.gt(threshold).where_(&x[0], z.softplus().div(beta))
            }),
        }
    }
}

#[fallible]
impl Tensor {
    /// `log(1 + exp(self))`, which never overflows.
    pub fn softplus(&self) -> Result<Tensor> {
        self.try_softplus_with(1.0, 20.0)
    }

    /// `log(1 + exp(beta · self)) / beta`, and `self` itself where `beta · self` exceeds `threshold`.
    pub fn softplus_with(&self, beta: f64, threshold: f64) -> Result<Tensor> {
        apply(Softplus { beta, threshold }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("softplus", |a, x| vec![x[0].softplus_with(a.float_or("beta", 1.0), a.float_or("threshold", 20.0))])
}
