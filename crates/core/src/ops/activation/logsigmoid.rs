//! `logsigmoid`: `log(sigmoid(x))`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Logsigmoid;

impl Function for Logsigmoid {
    const NAME: &'static str = "logsigmoid";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let tail = (-x.abs()).exp().log1p();
        if x < T::of(0.0) { x - tail } else { -tail }
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::log_sigmoid(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        g.of(0).mul(g.input(0).neg().sigmoid())
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].neg().softplus().neg())
    }
}

#[fallible]
impl Tensor {
    /// `log(sigmoid(self))`, which never overflows.
    pub fn logsigmoid(&self) -> Result<Tensor> {
        apply(Logsigmoid, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logsigmoid", |_, x| vec![x[0].logsigmoid()])
}
