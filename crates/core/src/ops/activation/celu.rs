//! `celu`: `x` above 0, `α(exp(x/α) − 1)` below: smooth at 0 for every α (Barron 2017).

use crate::ops::prelude::*;

#[derive(Debug)]
struct Celu {
    alpha: f64,
}

impl Function for Celu {
    const NAME: &'static str = "celu";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let alpha = T::of(self.alpha);
        if x > T::of(0.0) { x } else { alpha * (x / alpha).expm1() }
    }

    fn pull(&self, g: &Grad) -> Tensor {
        // Bounded, so that the branch that is not taken is finite too.
        let x = g.input(0);
        let slope = x.clamp_max(0).div(self.alpha).exp();
        g.of(0).mul(x.gt(0).where_(1, slope))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Celu", &[("alpha", self.alpha.into())])
    }
}

#[fallible]
impl Tensor {
    /// `self` where positive, `alpha * (exp(self / alpha) − 1)` elsewhere.
    pub fn celu(&self, alpha: f64) -> Result<Tensor> {
        apply(Celu { alpha }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("celu", |a, x| vec![x[0].celu(a.float_or("alpha", 1.0))])
}
