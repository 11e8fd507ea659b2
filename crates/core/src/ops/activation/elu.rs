//! `elu`: `x` above 0, `α(eˣ − 1)` below (Clevert et al. 2016).

use crate::ops::prelude::*;

#[derive(Debug)]
struct Elu {
    alpha: f64,
}

impl Function for Elu {
    const NAME: &'static str = "elu";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        if x > T::of(0.0) { x } else { T::of(self.alpha) * x.expm1() }
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::expm1(x, y);
        let alpha = self.alpha as f32;
        y.iter_mut().zip(x).for_each(|(y, &x)| *y = if x > 0.0 { x } else { alpha * *y });
    }

    fn pull(&self, g: &Grad) -> Tensor {
        // Bounded, so that the branch that is not taken is finite too.
        let x = g.input(0);
        let slope = x.clamp_max(0).exp().mul(self.alpha);
        g.of(0).mul(x.gt(0).where_(1, slope))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Elu", &[("alpha", self.alpha.into())])
    }
}

#[fallible]
impl Tensor {
    /// `self` where positive, `exp(self) − 1` elsewhere.
    pub fn elu(&self) -> Result<Tensor> {
        self.try_elu_with(1.0)
    }

    /// [`Tensor::elu`] whose negative part is scaled by `alpha`.
    pub fn elu_with(&self, alpha: f64) -> Result<Tensor> {
        apply(Elu { alpha }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("elu", |a, x| vec![x[0].elu_with(a.float_or("alpha", 1.0))])
}
