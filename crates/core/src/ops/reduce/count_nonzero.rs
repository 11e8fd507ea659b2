//! `count_nonzero`: the number of elements that are not zero.

use crate::ops::prelude::*;

#[derive(Debug)]
struct CountNonzero {
    axes: Vec<usize>,
    keep: bool,
}

impl Op for CountNonzero {
    fn name(&self) -> &'static str {
        "count_nonzero"
    }

    fn kind(&self) -> Kind {
        Kind::Reduce
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(Meta::new(x[0].shape.reduce(&self.axes, self.keep), DType::I64))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => {
            let zero = T::default();
            let fold = Fold { empty: 0, load: |v: T, _| (v != zero) as i64, join: |a, b| a + b, store: |n: i64| n };
            fold.run(&x[0], &self.axes, &mut y[0])
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a count has no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let found = x[0].ne(0);
            if self.keep { found.sum_keepdim(&self.axes[..]) } else { found.sum(&self.axes[..]) }
        })
    }
}

#[fallible]
impl Tensor {
    /// The number (`i64`) of elements that are not zero along the given axes (`..` for all), which disappear.
    pub fn count_nonzero(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "count_nonzero")?.to_vec();
        apply(CountNonzero { axes, keep: false }, &[self])
    }

    /// As [`Tensor::count_nonzero`]; the axes stay with size 1.
    pub fn count_nonzero_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "count_nonzero")?.to_vec();
        apply(CountNonzero { axes, keep: true }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("count_nonzero", |a, x| vec![x[0].count_nonzero(a.axes("dim"))])
}
