//! `xlogy`: `a · log(b)`, and 0 where a is 0.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Xlogy;

impl Op for Xlogy {
    fn name(&self) -> &'static str {
        "xlogy"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        map::float2(x, &mut y[0], each2(xlogy), each2(xlogy));
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        let (a, b) = (g.input(0), g.input(1));
        vec![
            g.when(0, || a.eq(0).logical_and(b.le(0)).where_(0, g.of(0).mul(b.log())).sum_to(&g.meta(0).shape)),
            g.when(1, || g.of(0).mul(&a).div(&b).sum_to(&g.meta(1).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let nothing = x[0].eq(0).logical_and(x[1].isnan().logical_not());
            nothing.where_(0, x[0].mul(x[1].log()))
        })
    }
}

#[fallible]
impl Tensor {
    /// `self · log(other)`, and 0 where `self` is 0 (unless `other` is NaN); broadcasting.
    pub fn xlogy(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Xlogy, &[&a.floating()?, &b.floating()?])
    }
}

#[allow(clippy::eq_op)] // only NaN differs from itself
fn xlogy<T: Real>(a: T, b: T) -> T {
    if a == T::of(0.0) && b == b { T::of(0.0) } else { a * b.log() }
}

pub(crate) fn cases() -> Cases {
    Cases::new("xlogy", |_, x| vec![x[0].xlogy(&x[1])])
}
