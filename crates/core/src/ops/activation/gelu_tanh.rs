//! `gelu_tanh`: `gelu` with Φ approximated by a hyperbolic tangent, as GPT-2 has it.

use crate::ops::prelude::*;

/// √(2/π)
const SLOPE: f64 = 0.797_884_560_802_865_4;
const CUBIC: f64 = 0.044_715;

#[derive(Debug)]
struct GeluTanh;

impl Function for GeluTanh {
    const NAME: &'static str = "gelu_tanh";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        let inner = T::of(SLOPE) * (x + T::of(CUBIC) * x * x * x);
        T::of(0.5) * x * (T::of(1.0) + inner.tanh())
    }

    fn tile(&self, x: &[f32], y: &mut [f32]) {
        math::gelu_tanh(x, y)
    }

    fn pull(&self, g: &Grad) -> Tensor {
        Pull { name: "gelu_tanh_grad", single: math::gelu_tanh_grad, double: math::gelu_tanh_grad_f64 }.of(g)
    }

    fn composed(&self, x: &Tensor) -> Option<Tensor> {
        let inner = x.square().mul(CUBIC).add(1).mul(x).mul(SLOPE);
        Some(inner.tanh().add(1).mul(x).mul(0.5))
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Gelu", &[("approximate", "tanh".into())])
    }
}

#[fallible]
impl Tensor {
    /// [`Tensor::gelu`] by `self/2 · (1 + tanh(√(2/π) · (self + 0.044715·self³)))`.
    pub fn gelu_tanh(&self) -> Result<Tensor> {
        apply(GeluTanh, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("gelu_tanh", |_, x| vec![x[0].gelu_tanh()])
}
