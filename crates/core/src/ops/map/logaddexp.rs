//! `logaddexp`: `log(eᵃ + eᵇ)`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Logaddexp;

impl Op for Logaddexp {
    fn name(&self) -> &'static str {
        "logaddexp"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        map::float2(x, &mut y[0], each2(logaddexp), each2(logaddexp));
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b11, outputs: 0b1 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let share = |x: Tensor| g.of(0).mul(x.sub(g.output(0)).exp());
        vec![
            g.when(0, || share(g.input(0)).sum_to(&g.meta(0).shape)),
            g.when(1, || share(g.input(1)).sum_to(&g.meta(1).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let (small, large) = (x[0].minimum(&x[1]), x[0].maximum(&x[1]));
            // Where both are the same infinity their difference would be NaN.
            let distance = small.eq(&large).where_(0, small.sub(&large));
            large.add(distance.exp().log1p())
        })
    }
}

#[fallible]
impl Tensor {
    /// `log(exp(self) + exp(other))` without overflow; broadcasting.
    pub fn logaddexp(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Logaddexp, &[&a.floating()?, &b.floating()?])
    }
}

/// The larger one, and what the smaller one adds to it. Equal infinities have no difference.
fn logaddexp<T: Real>(a: T, b: T) -> T {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if high == low && high - low != T::of(0.0) { high } else { high + (low - high).exp().log1p() }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logaddexp", |_, x| vec![x[0].logaddexp(&x[1])])
}
