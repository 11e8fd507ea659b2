//! `leaky_relu`: `x` above 0, a small multiple of it below (Maas et al. 2013).

use crate::ops::prelude::*;

#[derive(Debug)]
struct LeakyRelu {
    negative_slope: f64,
}

impl Function for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        if x > T::of(0.0) { x } else { x * T::of(self.negative_slope) }
    }

    fn pull(&self, g: &Grad) -> Tensor {
        let negative = g.of(0).mul(self.negative_slope);
        g.input(0).gt(0).where_(g.of(0), negative)
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("LeakyRelu", &[("alpha", self.negative_slope.into())])
    }
}

#[fallible]
impl Tensor {
    /// `self` where positive, `negative_slope * self` elsewhere (PyTorch's default slope is 0.01).
    pub fn leaky_relu(&self, negative_slope: f64) -> Result<Tensor> {
        apply(LeakyRelu { negative_slope }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("leaky_relu", |a, x| vec![x[0].leaky_relu(a.float_or("negative_slope", 0.01))])
}
