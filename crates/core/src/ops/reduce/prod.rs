//! `prod`: the product over any axes.

use crate::ops::prelude::*;
use crate::{Border, Scalar};

#[derive(Debug)]
struct Prod {
    axes: Vec<usize>,
    keep: bool,
}

impl Op for Prod {
    fn name(&self) -> &'static str {
        "prod"
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
                let fold = Fold { empty: Real::of(1.0), load: |v: T, _| v.widen(), join: |a, b| a * b, store: T::narrow };
                fold.run(&x[0], &self.axes, &mut y[0])
            })
        } else {
            dispatch!(whole x[0].dtype(), T => {
                let fold = Fold { empty: 1, load: |v: T, _| v.to_i64(), join: i64::wrapping_mul, store: |p: i64| p };
                fold.run(&x[0], &self.axes, &mut y[0])
            })
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 1, outputs: 1 }
    }

    /// The product of the other elements: the whole over the element, or, where there are zeros, the product
    /// of those before and those after.
    fn grad(&self, g: &Grad) -> Grads {
        let (x, shape) = (g.input(0), g.meta(0).shape.reduce(&self.axes, true));
        let incoming = g.of(0).reshape(&shape);
        let zeros = x.detach().eq(0).any(..);
        let quotient = || incoming.mul(g.output(0).reshape(&shape)).div(&x);
        if x.elements() == 0 || !zeros.is_traced() && !zeros.item::<bool>() {
            return vec![Some(quotient())];
        }
        // The reduced axes as one, at the end.
        let rank = x.rank() as isize;
        let first = rank - self.axes.len() as isize;
        let last: Vec<isize> = (first..rank).collect();
        let rows = x.movedim(&self.axes[..], &last[..]);
        let row = rows.unsqueeze(-1).flatten(first, -1);
        let before = |row: &Tensor| {
            row.narrow(-1, 0, row.size(-1) - 1).cumprod(-1).pad([(1, 0)], Border::Constant(Scalar::Int(1)))
        };
        let others = before(&row).mul(before(&row.flip(-1)).flip(-1));
        let product = incoming.mul(others.reshape(rows.shape()).movedim(&last[..], &self.axes[..]));
        vec![Some(if zeros.is_traced() { zeros.where_(product, quotient()) } else { product })]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let dtype = x.output(0).dtype;
        let factors = if x.meta(0).dtype == dtype { x.input(0) } else { x.cast(x.input(0), dtype) };
        Ok(vec![x.reduce("ReduceProd", factors, &self.axes, self.keep)])
    }
}

#[fallible]
impl Tensor {
    /// The product over the given axes (`..` for all), which disappear. Integers are multiplied as `i64`;
    /// the product of nothing is 1.
    pub fn prod(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "prod")?.to_vec();
        apply(Prod { axes, keep: false }, &[self])
    }

    /// The product over the given axes, which stay with size 1.
    pub fn prod_keepdim(&self, axes: impl Into<Axes>) -> Result<Tensor> {
        let axes = axes.into().resolve(self.shape(), "prod")?.to_vec();
        apply(Prod { axes, keep: true }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("prod", |a, x| {
        let axes = a.axes("dim");
        vec![if a.flag("keepdim") { x[0].prod_keepdim(axes) } else { x[0].prod(axes) }]
    })
}
