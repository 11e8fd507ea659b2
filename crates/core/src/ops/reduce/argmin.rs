//! `argmin`: the position of the smallest element.

use crate::ops::prelude::*;

#[derive(Debug)]
struct ArgMin {
    axes: Vec<usize>,
    keep: bool,
}

impl Op for ArgMin {
    fn name(&self) -> &'static str {
        "argmin"
    }

    fn kind(&self) -> Kind {
        Kind::Reduce
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if self.axes.iter().any(|&a| x[0].shape[a] == 0) {
            return Err(Error::op(self.name(), format!("of no elements is not defined (shape {})", x[0].shape)));
        }
        one(Meta::new(x[0].shape.reduce(&self.axes, self.keep), DType::I64))
    }

    /// The first NaN wins, then the first of the smallest.
    #[allow(clippy::eq_op)] // only NaN differs from itself
    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => {
            let fold = Fold {
                empty: (T::default(), 0),
                load: |v: T, at| (v, at as i64),
                join: |a: (T, i64), b: (T, i64)| {
                    let better = b.0.lt(&a.0) || b.0 != b.0 && a.0 == a.0;
                    let tied = b.0 == a.0 || b.0 != b.0 && a.0 != a.0;
                    if better || tied && b.1 < a.1 { b } else { a }
                },
                store: |best: (T, i64)| best.1,
            };
            fold.run(&x[0], &self.axes, &mut y[0])
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("positions have no gradient")
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        Ok(vec![x.position("ArgMin", &self.axes, self.keep)])
    }
}

#[fallible]
impl Tensor {
    /// The position (`i64`) of the smallest element along an axis, which disappears; the first of several, and
    /// the first NaN if there is one. Several axes (`..` for all) count as one, in row-major order.
    pub fn argmin(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "argmin")?.to_vec();
        apply(ArgMin { axes, keep: false }, &[self])
    }

    /// As [`Tensor::argmin`]; the axes stay with size 1.
    pub fn argmin_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "argmin")?.to_vec();
        apply(ArgMin { axes, keep: true }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("argmin", |a, x| {
        let axes = a.axes("dim");
        vec![if a.flag("keepdim") { x[0].argmin_keepdim(axes) } else { x[0].argmin(axes) }]
    })
}
