//! `log1p`: `log(1 + x)`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Log1p;

impl Function for Log1p {
    const NAME: &'static str = "log1p";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        x.log1p()
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::log1p(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).div(g.input(0).add(1))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let sum = x[0].add(1);
            // The rounding of the sum, undone (Goldberg 1991, theorem 4).
            let near = sum.eq(1).where_(&x[0], sum.log().mul(x[0].div(sum.sub(1))));
            x[0].abs().lt(0.5).where_(near, sum.log())
        })
    }
}

#[fallible]
impl Tensor {
    /// `log(1 + self)`, accurate near 0.
    pub fn log1p(&self) -> Result<Tensor> {
        apply(Log1p, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("log1p", |_, x| vec![x[0].log1p()])
}
