//! `any`: whether some element is not zero along any axes.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Any {
    axes: Vec<usize>,
    keep: bool,
}

impl Op for Any {
    fn name(&self) -> &'static str {
        "any"
    }

    fn kind(&self) -> Kind {
        Kind::Reduce
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(Meta::new(x[0].shape.reduce(&self.axes, self.keep), DType::Bool))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => {
            let zero = T::default();
            let fold = Fold { empty: false, load: |v: T, _| v != zero, join: |a, b| a | b, store: |found: bool| found };
            fold.run(&x[0], &self.axes, &mut y[0])
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let found = x[0].ne(0);
            if self.keep { found.sum_keepdim(&self.axes[..]).gt(0) } else { found.sum(&self.axes[..]).gt(0) }
        })
    }
}

#[fallible]
impl Tensor {
    /// Whether some element is not zero along the given axes (`..` for all), which disappear, as bool. NaN is not zero; of nothing it is false.
    pub fn any(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "any")?.to_vec();
        apply(Any { axes, keep: false }, &[self])
    }

    /// As [`Tensor::any`]; the axes stay with size 1.
    pub fn any_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "any")?.to_vec();
        apply(Any { axes, keep: true }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("any", |a, x| {
        let axes = a.axes("dim");
        vec![if a.flag("keepdim") { x[0].any_keepdim(axes) } else { x[0].any(axes) }]
    })
}
