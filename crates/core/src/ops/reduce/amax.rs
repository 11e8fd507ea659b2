//! `amax`: the largest element along any axes, tied elements sharing the gradient.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Amax {
    axes: Vec<usize>,
    keep: bool,
}

impl Op for Amax {
    fn name(&self) -> &'static str {
        "amax"
    }

    fn kind(&self) -> Kind {
        Kind::Reduce
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if self.axes.iter().any(|&a| x[0].shape[a] == 0) {
            return Err(Error::op(self.name(), format!("of no elements is not defined (shape {})", x[0].shape)));
        }
        one(x[0].with_shape(x[0].shape.reduce(&self.axes, self.keep)))
    }

    /// A NaN wins.
    #[allow(clippy::eq_op)] // only NaN differs from itself
    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => {
            let fold = Fold {
                empty: T::default(),
                load: |v: T, _| v,
                join: |a: T, b: T| if b.gt(&a) || b != b { b } else { a },
                store: |v: T| v,
            };
            fold.run(&x[0], &self.axes, &mut y[0])
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 1, outputs: 1 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let shape = g.meta(0).shape.reduce(&self.axes, true);
        let tied = g.input(0).eq(g.output(0).reshape(&shape)).to_dtype(g.meta(0).dtype);
        let share = g.of(0).reshape(&shape).div(tied.sum_keepdim(&self.axes[..]));
        vec![Some(tied.mul(share))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.narrow(x.reduce("ReduceMax", x.wide(0), &self.axes, self.keep))])
    }
}

#[fallible]
impl Tensor {
    /// The largest element along the given axes (`..` for all), which disappear; NaN where there is one.
    /// Tied elements share the gradient. For the positions too, see [`Tensor::max`].
    pub fn amax(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "amax")?.to_vec();
        apply(Amax { axes, keep: false }, &[self])
    }

    /// The largest element along the given axes, which stay with size 1.
    pub fn amax_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "amax")?.to_vec();
        apply(Amax { axes, keep: true }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("amax", |a, x| {
        let axes = a.axes("dim");
        vec![if a.flag("keepdim") { x[0].amax_keepdim(axes) } else { x[0].amax(axes) }]
    })
}
