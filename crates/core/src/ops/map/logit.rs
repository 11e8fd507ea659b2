//! `logit`: `log(x / (1 − x))`, the inverse of `sigmoid`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Logit;

impl Function for Logit {
    const NAME: &'static str = "logit";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        (x / (T::of(1.0) - x)).log()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let x = g.input(0);
        g.of(0).div(x.mul(1 - &x))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].div(1 - &x[0]).log())
    }
}

#[fallible]
impl Tensor {
    /// `log(self / (1 − self))`, the inverse of [`Tensor::sigmoid`]; NaN outside 0 to 1.
    pub fn logit(&self) -> Result<Tensor> {
        apply(Logit, &[&self.floating()?])
    }

    /// [`Tensor::logit`] of the elements clamped to `eps ..= 1 − eps`, so that the result is finite.
    pub fn logit_clamped(&self, eps: f64) -> Result<Tensor> {
        self.floating()?.try_clamp(eps, 1.0 - eps)?.try_logit()
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logit", |a, x| {
        vec![match a.float_opt("eps") {
            Some(eps) => x[0].logit_clamped(eps),
            None => x[0].logit(),
        }]
    })
}
