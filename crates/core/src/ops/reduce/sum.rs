//! `sum` over any axes.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Sum {
    axes: Vec<usize>,
    keep: bool,
}

impl Op for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn kind(&self) -> Kind {
        Kind::Reduce
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(Meta::new(x[0].shape.reduce(&self.axes, self.keep), x[0].dtype.accumulator()))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        if x[0].dtype().is_float() {
            dispatch!(floats x[0].dtype(), T => {
                let fold = Fold { empty: Real::of(0.0), load: |v: T, _| v.widen(), join: |a, b| a + b, store: T::narrow };
                fold.run(&x[0], &self.axes, &mut y[0])
            })
        } else {
            dispatch!(whole x[0].dtype(), T => {
                let fold = Fold { empty: 0, load: |v: T, _| v.to_i64(), join: i64::wrapping_add, store: |sum: i64| sum };
                fold.run(&x[0], &self.axes, &mut y[0])
            })
        }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let shape = &g.meta(0).shape;
        vec![Some(g.of(0).reshape(shape.reduce(&self.axes, true)).expand(shape))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let dtype = x.output(0).dtype;
        let terms = if x.meta(0).dtype == dtype { x.input(0) } else { x.cast(x.input(0), dtype) };
        Ok(vec![x.reduce("ReduceSum", terms, &self.axes, self.keep)])
    }
}

#[fallible]
impl Tensor {
    /// The sum over the given axes (`..` for all), which disappear. Integers and bools are summed as `i64`.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum(..).item::<f32>(), 10.0);
    /// assert_eq!(x.sum(-1).to_vec::<f32>(), [3.0, 7.0]);
    /// ```
    pub fn sum(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "sum")?.to_vec();
        apply(Sum { axes, keep: false }, &[self])
    }

    /// The sum over the given axes, which stay with size 1.
    pub fn sum_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "sum")?.to_vec();
        apply(Sum { axes, keep: true }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("sum", |a, x| {
        let axes = a.axes("dim");
        vec![if a.flag("keepdim") { x[0].sum_keepdim(axes) } else { x[0].sum(axes) }]
    })
}
