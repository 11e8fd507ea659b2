//! `erfinv`: the inverse error function of each element.

use crate::ops::prelude::*;
use crate::run::special;
use std::f64::consts::FRAC_2_SQRT_PI;

#[derive(Debug)]
struct Erfinv;

impl Function for Erfinv {
    const NAME: &'static str = "erfinv";
    const READS: Reads = Reads::OUTPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        T::of(special::erfinv(x.to_f64()))
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.output(0).square().exp()).mul(1.0 / FRAC_2_SQRT_PI)
    }
}

#[fallible]
impl Tensor {
    /// The inverse error function; ±∞ at ±1 and NaN beyond.
    pub fn erfinv(&self) -> Result<Tensor> {
        apply(Erfinv, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("erfinv", |_, x| vec![x[0].erfinv()])
}
