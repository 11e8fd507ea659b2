//! `amin`: the smallest element along any axes, tied elements sharing the gradient.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Amin {
    axes: Vec<usize>,
    keep: bool,
}

impl Op for Amin {
    fn name(&self) -> &'static str {
        "amin"
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
                join: |a: T, b: T| if b.lt(&a) || b != b { b } else { a },
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
        Ok(vec![x.narrow(x.reduce("ReduceMin", x.wide(0), &self.axes, self.keep))])
    }
}

#[fallible]
impl Tensor {
    /// The smallest element along the given axes (`..` for all), which disappear; NaN where there is one.
    /// Tied elements share the gradient. For the positions too, see [`Tensor::min`].
    pub fn amin(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "amin")?.to_vec();
        apply(Amin { axes, keep: false }, &[self])
    }

    /// The smallest element along the given axes, which stay with size 1.
    pub fn amin_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "amin")?.to_vec();
        apply(Amin { axes, keep: true }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("amin", |a, x| {
        let axes = a.axes("dim");
        vec![if a.flag("keepdim") { x[0].amin_keepdim(axes) } else { x[0].amin(axes) }]
    })
}
