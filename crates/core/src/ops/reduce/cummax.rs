//! `cummax`: the largest element so far along an axis, and its position.

use crate::ops::prelude::*;
use crate::run::scan::scan;

/// The positions only; the elements are gathered from there.
#[derive(Debug)]
struct CumMax(usize);

impl Op for CumMax {
    fn name(&self) -> &'static str {
        "cummax"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_dtype(DType::I64))
    }

    /// A NaN stays the largest; of equal elements the last counts.
    #[allow(clippy::eq_op)] // only NaN differs from itself
    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), T => {
            scan(&x[0], self.0, &mut y[0], (T::default(), 0), |best: &mut (T, i64), v: T, at| {
                if at == 0 || v != v || best.0 == best.0 && v.ge(&best.0) {
                    *best = (v, at as i64);
                }
                best.1
            });
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("positions have no gradient")
    }

    /// Every row of beginnings written out, in `n²` memory.
    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let rows = x[0].movedim(self.0, -1);
            let n = rows.size(-1);
            // The last of equals is the first of the reversed.
            let known = Tensor::full([n, n], true).tril(0).flip(-1);
            let rows = if rows.dtype() == DType::Bool { rows.to_dtype(DType::I32) } else { rows };
            let so_far = known.where_(rows.unsqueeze(-2).flip(-1), rows.amin_keepdim(-1).unsqueeze(-1));
            let found = so_far.argmax(-1).neg().add(n as i64 - 1);
            found.minimum(Tensor::arange(n)).movedim(-1, self.0)
        })
    }
}

#[fallible]
impl Tensor {
    /// Element `k` is the largest of elements 0 to `k` along `axis`, with its position (`i64`): of equal
    /// elements the last. From the first NaN on, the result is NaN.
    pub fn cummax(&self, axis: isize) -> Result<(Tensor, Tensor)> {
        let (x, axis) = self.with_axis(axis, "cummax")?;
        let positions = apply(CumMax(axis), &[&x])?;
        let values = x.try_gather(axis as isize, &positions)?;
        Ok((values.try_reshape(self.shape())?, positions.try_reshape(self.shape())?))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cummax", |a, x| {
        let (values, positions) = x[0].cummax(a.integer("dim"));
        vec![values, positions]
    })
}
