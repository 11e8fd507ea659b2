//! `logcumsumexp`: `log Σ eˣ` of the elements so far along an axis.

use crate::ops::prelude::*;
use crate::run::scan::scan;

#[derive(Debug)]
struct LogCumSumExp(usize);

impl Op for LogCumSumExp {
    fn name(&self) -> &'static str {
        "logcumsumexp"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => {
            scan(&x[0], self.0, &mut y[0], T::of(f64::NEG_INFINITY), |sum: &mut T, v: T, _| {
                *sum = log_add_exp(*sum, v);
                *sum
            });
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 1, outputs: 1 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let inputs = [&g.of(0), &g.input(0), &g.output(0)];
        vec![Some(apply(LogCumSumExpGrad(self.0), &inputs).unwrap_or_else(|e| e.raise()))]
    }

    /// The sums written out, in `n²` memory: for derivatives of second and higher order.
    fn decompose(&self, x: &[Tensor]) -> Option<Vec<Tensor>> {
        let rows = x[0].movedim(self.0, -1);
        let n = rows.size(-1);
        let mut shape = rows.shape().clone();
        shape.sizes_mut().insert(rows.rank() - 1, n);
        let later = Tensor::full([n, n], true).triu(1);
        let terms = rows.unsqueeze(-2).expand(&shape).masked_fill(&later, f64::NEG_INFINITY);
        Some(vec![terms.logsumexp(-1).movedim(-1, self.0)])
    }
}

fn log_add_exp<T: Real>(a: T, b: T) -> T {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    // Where both are the same infinity their difference would be NaN.
    if low == high { high + T::of(2.0).log() } else { high + (low - high).exp().log1p() }
}

/// Inputs: the incoming gradient, x and y. `x[k]` gets `Σ over i ≥ k of g[i] · e^(x[k] - y[i])`.
///
/// `y` grows along the axis, so `r[k] = g[k] + r[k+1] · e^(y[k] - y[k+1])` has no factor above 1, and the
/// gradient is `r[k] · e^(x[k] - y[k])`.
#[derive(Debug)]
struct LogCumSumExpGrad(usize);

impl Op for LogCumSumExpGrad {
    fn name(&self) -> &'static str {
        "logcumsumexp_grad"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[1].clone())
    }

    fn run(&self, x: &[Input], out: &mut [Output]) {
        let (n, inner) = (x[1].shape()[self.0], x[1].shape()[self.0 + 1..].iter().product::<usize>());
        dispatch!(reals x[1].dtype(), T => {
            let (g, x, y) = (x[0].contiguous::<T>(), x[1].contiguous::<T>(), x[2].contiguous::<T>());
            for (block, out) in out[0].slice::<T>().chunks_mut((n * inner).max(1)).enumerate() {
                let mut sums = vec![T::of(0.0); inner];
                for k in (0..n).rev() {
                    for (j, sum) in sums.iter_mut().enumerate() {
                        let at = (block * n + k) * inner + j;
                        let carried = if k + 1 < n { *sum * (y[at] - y[at + inner]).exp() } else { T::of(0.0) };
                        *sum = g[at] + carried;
                        out[k * inner + j] = *sum * (x[at] - y[at]).exp();
                    }
                }
            }
        });
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("higher derivatives take `decompose`")
    }
}

#[fallible]
impl Tensor {
    /// Element `k` is `log Σ eˣ` of elements 0 to `k` along `axis`, without overflow.
    pub fn logcumsumexp(&self, axis: isize) -> Result<Tensor> {
        let (x, axis) = self.floating()?.with_axis(axis, "logcumsumexp")?;
        let y = apply(LogCumSumExp(axis), &[&x.try_to_dtype(x.dtype().compute())?])?;
        y.try_to_dtype(x.dtype())?.try_reshape(self.shape())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("logcumsumexp", |a, x| vec![x[0].logcumsumexp(a.integer("dim"))])
}
