//! `mish`: `x · tanh(softplus(x))` (Misra 2019).

use crate::ops::prelude::*;

#[derive(Debug)]
struct Mish;

impl Function for Mish {
    const NAME: &'static str = "mish";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let e = (-x.abs()).exp();
        let softplus = e.log1p() + if x > T::of(0.0) { x } else { T::of(0.0) };
        x * softplus.tanh()
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let x = g.input(0);
        let t = x.softplus().tanh();
        let slope = x.mul(x.sigmoid()).mul(1 - t.square());
        g.of(0).mul(t.add(slope))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| x[0].mul(x[0].softplus().tanh()))
    }
}

#[fallible]
impl Tensor {
    /// `self · tanh(softplus(self))`.
    pub fn mish(&self) -> Result<Tensor> {
        apply(Mish, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("mish", |_, x| vec![x[0].mish()])
}
