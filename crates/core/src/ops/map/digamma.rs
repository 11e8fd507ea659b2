//! `digamma`: the derivative of `lgamma` at each element.

use crate::ops::prelude::*;
use crate::run::special;

#[derive(Debug)]
struct Digamma;

impl Function for Digamma {
    const NAME: &'static str = "digamma";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        T::of(special::digamma(x.to_f64()))
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).polygamma(1))
    }
}

#[fallible]
impl Tensor {
    /// The logarithmic derivative of the gamma function; NaN at negative integers, ∓∞ at ±0.
    pub fn digamma(&self) -> Result<Tensor> {
        apply(Digamma, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("digamma", |_, x| vec![x[0].digamma()])
}
