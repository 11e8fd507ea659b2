//! `cumsum`: running sums along an axis.

use crate::ops::prelude::*;
use crate::run::scan::scan;

#[derive(Debug)]
struct CumSum(usize);

impl Op for CumSum {
    fn name(&self) -> &'static str {
        "cumsum"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_dtype(x[0].dtype.accumulator()))
    }

    /// In order, with the running sum in f64 (i64 for integers).
    fn run(&self, x: &[Input], y: &mut [Output]) {
        if x[0].dtype().is_float() {
            dispatch!(floats x[0].dtype(), T => scan(&x[0], self.0, &mut y[0], 0.0, |sum, v: T, _| {
                *sum += v.to_f64();
                T::from_f64(*sum)
            }))
        } else {
            dispatch!(whole x[0].dtype(), T => scan(&x[0], self.0, &mut y[0], 0, |sum: &mut i64, v: T, _| {
                *sum = sum.wrapping_add(v.to_i64());
                *sum
            }))
        }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let axis = self.0 as isize;
        vec![Some(g.of(0).flip(axis).cumsum(axis).flip(axis))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let dtype = x.output(0).dtype;
        let terms = if x.meta(0).dtype == dtype { x.input(0) } else { x.cast(x.input(0), dtype) };
        Ok(vec![x.node("CumSum", &[terms, x.constant(&Tensor::full((), self.0 as i64))], &[])])
    }
}

#[fallible]
impl Tensor {
    /// Element `k` is the sum of elements 0 to `k` along `axis`. Integers and bools are summed as `i64`.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// assert_eq!(Tensor::from([1.0f32, 2.0, 3.0]).cumsum(0).to_vec::<f32>(), [1.0, 3.0, 6.0]);
    /// ```
    pub fn cumsum(&self, axis: isize) -> Result<Tensor> {
        let (x, axis) = self.with_axis(axis, "cumsum")?;
        apply(CumSum(axis), &[&x])?.try_reshape(self.shape())
    }
}

impl Tensor {
    /// Itself and the axis that is meant; a scalar becomes a vector, as in PyTorch.
    pub(crate) fn with_axis(&self, axis: isize, op: &str) -> Result<(Tensor, usize)> {
        let x = if self.rank() == 0 { self.try_ravel()? } else { self.clone() };
        let axis = x.shape().axis(axis, op)?;
        Ok((x, axis))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cumsum", |a, x| vec![x[0].cumsum(a.integer("dim"))])
}
