//! `selu`: the self-normalizing linear unit `λ · elu(x, α)` (Klambauer et al. 2017).

use crate::ops::prelude::*;

/// α and λ of the paper, its equation 14.
const ALPHA: f64 = 1.673_263_242_354_377_2;
const SCALE: f64 = 1.050_700_987_355_480_5;

#[derive(Debug)]
struct Selu;

impl Function for Selu {
    const NAME: &'static str = "selu";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let value = if x > T::of(0.0) { x } else { T::of(ALPHA) * x.expm1() };
        T::of(SCALE) * value
    }

    fn pull(&self, g: &Grad) -> Tensor {
        // Bounded, so that the branch that is not taken is finite too.
        let x = g.input(0);
        let slope = x.clamp_max(0).exp().mul(SCALE * ALPHA);
        g.of(0).mul(x.gt(0).where_(SCALE, slope))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Selu", &[("alpha", ALPHA.into()), ("gamma", SCALE.into())])
    }
}

#[fallible]
impl Tensor {
    /// `λ · elu(self, α)` with the λ and α for which zero mean and unit variance are a fixed point.
    pub fn selu(&self) -> Result<Tensor> {
        apply(Selu, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("selu", |_, x| vec![x[0].selu()])
}
