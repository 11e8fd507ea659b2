//! `softmax` along one axis: `exp(x) / Σ exp(x)`.

use crate::ops::prelude::*;
use crate::run::lanes::whole_lanes;
use hadal_kernels::softmax::{softmax_rows, softmax_rows_backward};

#[derive(Debug)]
struct Softmax {
    axis: usize,
}

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => {
            whole_lanes([&x[0]], self.axis, &mut y[0], |_, [x], n, y| softmax_rows::<T>(x, n, y))
        });
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        let op = SoftmaxGrad { axis: self.axis };
        vec![Some(apply(op, &[&g.output(0), &g.of(0)]).unwrap_or_else(|e| e.raise()))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Softmax", &[("axis", self.axis.into())])
    }
}

/// `y ⊙ (g − Σ y·g)`: the transposed Jacobian of softmax, which is symmetric, times `g`.
#[derive(Debug)]
struct SoftmaxGrad {
    axis: usize,
}

impl Op for SoftmaxGrad {
    fn name(&self) -> &'static str {
        "softmax_grad"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => {
            let x = [&x[0], &x[1]];
            whole_lanes(x, self.axis, &mut y[0], |_, [p, g], n, y| softmax_rows_backward::<T>(p, g, n, y))
        });
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// With `s = Σ p·g` and incoming `h`: ∂/∂p = h·(g − s) − g·Σ h·p, and ∂/∂g is the op itself on `h`.
    fn grad(&self, g: &Grad) -> Grads {
        let (p, inner, h) = (g.input(0), g.input(1), g.of(0));
        let axis = self.axis as isize;
        let total = |t: Tensor| t.sum_keepdim(axis);
        let symmetric = || apply(SoftmaxGrad { axis: self.axis }, &[&p, &h]).unwrap_or_else(|e| e.raise());
        vec![
            g.when(0, || h.mul(inner.sub(total(p.mul(&inner)))).sub(inner.mul(total(h.mul(&p))))),
            g.when(1, symmetric),
        ]
    }
}

#[fallible]
impl Tensor {
    /// `exp(x) / Σ exp(x)` along `axis`: positive numbers that sum to 1. Large logits do not overflow.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let y = Tensor::from([[1000.0f32, 1000.0], [0.0, f32::NEG_INFINITY]]).softmax(-1);
    /// assert_eq!(y.to_vec::<f32>(), [0.5, 0.5, 1.0, 0.0]);
    /// ```
    pub fn softmax(&self, axis: isize) -> Result<Tensor> {
        let y = along("softmax", self, axis, |x, axis| apply(Softmax { axis }, &[x]))?;
        // (Over the only axis of a scalar there is nothing to remember.)
        Ok(self.shape().axis(axis, "softmax").map_or(y.clone(), |axis| y.as_softmax_of(self, axis)))
    }
}

/// `op` on floats that kernels compute in, and back; a scalar counts as a vector of one.
pub(crate) fn along(
    name: &str,
    x: &Tensor,
    axis: isize,
    op: impl Fn(&Tensor, usize) -> Result<Tensor>,
) -> Result<Tensor> {
    let x = x.floating()?;
    let wide = x.try_to_dtype(x.dtype().compute())?;
    let wide = if x.rank() == 0 { wide.try_reshape(1)? } else { wide };
    let y = op(&wide, wide.shape().axis(axis, name)?)?;
    y.try_reshape(x.shape())?.try_to_dtype(x.dtype())
}

pub(crate) fn cases() -> Cases {
    Cases::new("softmax", |a, x| vec![x[0].softmax(a.integer("dim"))])
}
