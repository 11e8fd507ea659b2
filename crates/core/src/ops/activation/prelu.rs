//! `prelu`: `leaky_relu` whose negative slope is learned (He et al. 2015).

use crate::ops::prelude::*;

#[derive(Debug)]
struct Prelu;

impl Op for Prelu {
    fn name(&self) -> &'static str {
        "prelu"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    /// Inputs: x, and the slope, which broadcasts to it.
    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(floats y[0].dtype(), T => {
            let zero = T::default();
            map::binary(x, &mut y[0], each2(|x: T, slope: T| if x > zero { x } else { slope * x }));
        });
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        let (x, slope) = (g.input(0), g.input(1));
        let positive = x.gt(0);
        vec![
            g.when(0, || positive.where_(g.of(0), g.of(0).mul(&slope)).sum_to(&g.meta(0).shape)),
            g.when(1, || positive.where_(0, g.of(0).mul(&x)).sum_to(&g.meta(1).shape)),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("PRelu", &[])
    }
}

#[fallible]
impl Tensor {
    /// `self` where positive, `slope * self` elsewhere. The slope has one element, or one per channel (axis 1).
    pub fn prelu(&self, slope: &Tensor) -> Result<Tensor> {
        let channels = if self.rank() < 2 { 1 } else { self.shape()[1] };
        if slope.elements() != 1 && slope.elements() != channels {
            let message = format!(
                "needs a slope with 1 or {channels} elements for an input of shape {}, got {}",
                self.shape(),
                slope.shape()
            );
            return Err(Error::op("prelu", message));
        }
        let mut shape = vec![1; self.rank()];
        if self.rank() >= 2 {
            shape[1] = slope.elements();
        }
        apply(Prelu, &[self, &slope.try_reshape(shape)?.try_to_dtype(self.dtype())?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("prelu", |_, x| vec![x[0].prelu(&x[1])])
}
