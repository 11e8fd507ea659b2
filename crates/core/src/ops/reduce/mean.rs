//! `mean` over any axes.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Mean {
    axes: Vec<usize>,
    keep: bool,
}

impl Mean {
    /// The number of elements averaged.
    fn count(&self, shape: &Shape) -> f64 {
        self.axes.iter().map(|&a| shape[a]).product::<usize>() as f64
    }
}

impl Op for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn kind(&self) -> Kind {
        Kind::Reduce
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(x[0].with_shape(x[0].shape.reduce(&self.axes, self.keep)))
    }

    /// Half types are summed and divided in f32, so a mean does not overflow where the sum would.
    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(floats x[0].dtype(), T => {
            let count: <T as Float>::Wide = Real::of(self.count(x[0].shape()));
            let fold = Fold {
                empty: Real::of(0.0),
                load: |v: T, _| v.widen(),
                join: |a, b| a + b,
                store: |sum| T::narrow(sum / count),
            };
            fold.run(&x[0], &self.axes, &mut y[0])
        });
    }

    fn grad(&self, g: &Grad) -> Grads {
        let shape = &g.meta(0).shape;
        vec![Some(g.of(0).div(self.count(shape)).reshape(shape.reduce(&self.axes, true)).expand(shape))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.reduce("ReduceMean", x.input(0), &self.axes, self.keep)])
    }
}

#[fallible]
impl Tensor {
    /// The mean over the given axes (`..` for all), which disappear. Integers are converted to `f32` first;
    /// the mean of nothing is NaN.
    pub fn mean(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "mean")?.to_vec();
        apply(Mean { axes, keep: false }, &[&self.floating()?])
    }

    /// The mean over the given axes, which stay with size 1.
    pub fn mean_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "mean")?.to_vec();
        apply(Mean { axes, keep: true }, &[&self.floating()?])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("mean", |a, x| {
        let axes = a.axes("dim");
        vec![if a.flag("keepdim") { x[0].mean_keepdim(axes) } else { x[0].mean(axes) }]
    })
}
