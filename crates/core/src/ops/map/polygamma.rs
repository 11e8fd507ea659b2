//! `polygamma`: the derivatives of `digamma`.

use crate::ops::prelude::*;
use crate::run::special;

#[derive(Debug)]
struct Polygamma {
    order: usize,
}

impl Function for Polygamma {
    const NAME: &'static str = "polygamma";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        T::of(special::polygamma(self.order, x.to_f64()))
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).polygamma(self.order + 1))
    }
}

#[fallible]
impl Tensor {
    /// The `order`-th derivative of [`Tensor::digamma`]; order 0 is `digamma` itself.
    pub fn polygamma(&self, order: usize) -> Result<Tensor> {
        match order {
            0 => self.try_digamma(),
            _ => apply(Polygamma { order }, &[&self.floating()?]),
        }
    }
}

pub(crate) fn cases() -> Cases {
    // ψ′(1) = π²/6, ψ″(1) = −2 ζ(3), ψ‴(1) = π⁴/15 (DLMF 5.15).
    use std::f64::consts::PI;
    let one = Tensor::from([1.0f64]);
    let at_one = |value: f64| [Tensor::from([value])];
    Cases::new("polygamma", |a, x| vec![x[0].polygamma(a.integer("order") as usize)])
        .with("first", r#"{"order": 1}"#, std::slice::from_ref(&one), &at_one(PI * PI / 6.0))
        .with("second", r#"{"order": 2}"#, std::slice::from_ref(&one), &at_one(-2.404_113_806_319_188_6))
        .with("third", r#"{"order": 3}"#, &[one], &at_one(PI.powi(4) / 15.0))
}
