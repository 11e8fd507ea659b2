//! `lgamma`: the logarithm of the gamma function of each element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Lgamma;

impl Function for Lgamma {
    const NAME: &'static str = "lgamma";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.lgamma()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).digamma())
    }
}

#[fallible]
impl Tensor {
    /// The logarithm of the absolute value of the gamma function.
    pub fn lgamma(&self) -> Result<Tensor> {
        apply(Lgamma, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("lgamma", |_, x| vec![x[0].lgamma()])
}
