//! `expm1`: `eˣ − 1`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Expm1;

impl Function for Expm1 {
    const NAME: &'static str = "expm1";
    const READS: Reads = Reads::OUTPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.expm1()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::expm1(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.output(0).add(1))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            // Near 0 the difference would lose what is left of x: eˣ − 1 = 2t / (1 − t) with t = tanh(x/2).
            let t = x[0].div(2).tanh();
            x[0].abs().lt(0.5).where_(t.mul(2).div(1 - &t), x[0].exp().sub(1))
        })
    }
}

#[fallible]
impl Tensor {
    /// `exp(self) − 1`, accurate near 0.
    pub fn expm1(&self) -> Result<Tensor> {
        apply(Expm1, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("expm1", |_, x| vec![x[0].expm1()])
}
