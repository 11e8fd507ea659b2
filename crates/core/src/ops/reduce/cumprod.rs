//! `cumprod`: running products along an axis.

use crate::ops::prelude::*;
use crate::run::scan::scan;

#[derive(Debug)]
struct CumProd(usize);

impl Op for CumProd {
    fn name(&self) -> &'static str {
        "cumprod"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_dtype(x[0].dtype.accumulator()))
    }

    /// In order, with the running product in f64 (i64 for integers).
    fn run(&self, x: &[Input], y: &mut [Output]) {
        if x[0].dtype().is_float() {
            dispatch!(floats x[0].dtype(), T => scan(&x[0], self.0, &mut y[0], 1.0, |product, v: T, _| {
                *product *= v.to_f64();
                T::from_f64(*product)
            }))
        } else {
            dispatch!(whole x[0].dtype(), T => scan(&x[0], self.0, &mut y[0], 1, |product: &mut i64, v: T, _| {
                *product = product.wrapping_mul(v.to_i64());
                *product
            }))
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 1, outputs: 1 }
    }

    /// `∂y[i]/∂x[k]` is `y[i] / x[k]` for `i ≥ k`. Where there are zeros, the elements after `k` are multiplied
    /// anew for every `k`, in time `n²`.
    fn grad(&self, g: &Grad) -> Grads {
        let (axis, x, y) = (self.0 as isize, g.input(0), g.output(0));
        let (n, g) = (x.size(axis), g.of(0));
        let zeros = x.detach().eq(0).any(..);
        let quotient = || g.mul(&y).flip(axis).cumsum(axis).flip(axis).div(&x);
        if !zeros.is_traced() && !zeros.item::<bool>() {
            return vec![Some(quotient())];
        }
        let gradient = |k: usize| {
            // Σ over i ≥ k of g[i] · x[0]…x[k-1] · x[k+1]…x[i]
            let after = x.narrow(axis, k + 1, n - k - 1).cumprod(axis);
            let sum = g.narrow(axis, k, 1).add(g.narrow(axis, k + 1, n - k - 1).mul(after).sum_keepdim(axis));
            if k == 0 { sum } else { sum.mul(y.narrow(axis, k - 1, 1)) }
        };
        let product = Tensor::cat(&(0..n).map(gradient).collect::<Vec<_>>(), axis);
        vec![Some(if zeros.is_traced() { zeros.where_(product, quotient()) } else { product })]
    }

    /// Every product written out, in `n²` memory.
    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let rows = x[0].to_dtype(x[0].dtype().accumulator()).movedim(self.0, -1);
            let n = rows.size(-1);
            let later = Tensor::full([n, n], true).triu(1);
            later.where_(1, rows.unsqueeze(-2)).prod(-1).movedim(-1, self.0)
        })
    }
}

#[fallible]
impl Tensor {
    /// Element `k` is the product of elements 0 to `k` along `axis`. Integers are multiplied as `i64`.
    pub fn cumprod(&self, axis: isize) -> Result<Tensor> {
        let (x, axis) = self.with_axis(axis, "cumprod")?;
        apply(CumProd(axis), &[&x])?.try_reshape(self.shape())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("cumprod", |a, x| vec![x[0].cumprod(a.integer("dim"))])
}
