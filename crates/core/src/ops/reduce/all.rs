//! `all`: whether no element is zero along any axes.

use crate::ops::prelude::*;

#[derive(Debug)]
struct All {
    axes: Vec<usize>,
    keep: bool,
}

impl Op for All {
    fn name(&self) -> &'static str {
        "all"
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
            let fold = Fold { empty: true, load: |v: T, _| v != zero, join: |a, b| a & b, store: |found: bool| found };
            fold.run(&x[0], &self.axes, &mut y[0])
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a bool result has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let missing = x[0].eq(0);
            if self.keep { missing.sum_keepdim(&self.axes[..]).eq(0) } else { missing.sum(&self.axes[..]).eq(0) }
        })
    }
}

#[fallible]
impl Tensor {
    /// Whether no element is zero along the given axes (`..` for all), which disappear, as bool. NaN is not zero; of nothing it is true.
    pub fn all(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "all")?.to_vec();
        apply(All { axes, keep: false }, &[self])
    }

    /// As [`Tensor::all`]; the axes stay with size 1.
    pub fn all_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "all")?.to_vec();
        apply(All { axes, keep: true }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("all", |a, x| {
        let axes = a.axes("dim");
        vec![if a.flag("keepdim") { x[0].all_keepdim(axes) } else { x[0].all(axes) }]
    })
}
