//! `round`: each element rounded to the nearest integer.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Round {
    decimals: i32,
}

impl Function for Round {
    const NAME: &'static str = "round";
    const READS: Reads = Reads::NOTHING;

    fn value<T: Real>(&self, x: T) -> T {
        let scale = T::of(libm::pow(10.0, f64::from(self.decimals.abs())));
        match self.decimals {
            0 => x.round_ties_even(),
            1.. => (x * scale).round_ties_even() / scale,
            _ => (x / scale).round_ties_even() * scale,
        }
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).zeros_like()
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let power = 10f64.powi(self.decimals.abs());
        match self.decimals {
            0 => x.op("Round", &[]),
            1.. => x.composed(|x| x[0].mul(power).round().div(power)),
            _ => x.composed(|x| x[0].div(power).round().mul(power)),
        }
    }
}

#[fallible]
impl Tensor {
    /// The elements rounded to the nearest integers, ties to even; integers stay as they are. The derivative is 0.
    pub fn round(&self) -> Result<Tensor> {
        self.try_round_to(0)
    }

    /// The elements rounded to `decimals` digits after the point, or before it when negative.
    pub fn round_to(&self, decimals: i32) -> Result<Tensor> {
        if self.dtype().is_float() { apply(Round { decimals }, &[self]) } else { Ok(self.clone()) }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("round", |a, x| vec![x[0].round_to(a.integer("decimals") as i32)])
}
