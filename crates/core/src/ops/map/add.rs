//! `add`: `a + b`, element by element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Add;

impl Op for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        match y[0].dtype() {
            DType::Bool => map::binary(x, &mut y[0], each2(|a: bool, b: bool| a | b)),
            dtype => dispatch!(numbers dtype, T => map::binary(x, &mut y[0], each2(<T as map::Number>::plus))),
        }
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn grad(&self, g: &Grad) -> Grads {
        (0..2).map(|i| g.when(i, || g.of(0).sum_to(&g.meta(i).shape))).collect()
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        match x.output(0).dtype {
            DType::Bool => x.op("Or", &[]),
            _ => x.arithmetic("Add"),
        }
    }
}

impl Rewrites for Add {
    fn on_bytes(&self, _: &[Meta], _: &[Option<Tensor>]) -> Option<OnBytes> {
        Some(OnBytes::Sum)
    }
}

#[fallible]
impl Tensor {
    /// `self + other`, broadcasting; the types are promoted as in PyTorch, integers wrap.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!((&x + Tensor::from([10.0f32, 20.0])).to_vec::<f32>(), [11.0, 22.0, 13.0, 24.0]);
    /// ```
    pub fn add(&self, other: impl Operand) -> Result<Tensor> {
        let (a, b) = self.promoted(other)?;
        apply(Add, &[&a, &b])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("add", |a, x| {
        let (left, right) = a.pair(x);
        vec![left + right * a.float_or("alpha", 1.0)]
    })
}
