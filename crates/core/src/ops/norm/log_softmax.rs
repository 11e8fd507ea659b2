//! `log_softmax` along one axis: `x − log Σ exp(x)`.

use super::softmax::along;
use crate::ops::prelude::*;
use crate::run::lanes::whole_lanes;
use hadal_kernels::softmax::{log_softmax_rows, log_softmax_rows_backward};

#[derive(Debug)]
struct LogSoftmax {
    axis: usize,
}

impl Op for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => {
            whole_lanes([&x[0]], self.axis, &mut y[0], |_, [x], n, y| log_softmax_rows::<T>(x, n, y))
        });
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        let op = LogSoftmaxGrad { axis: self.axis };
        vec![Some(apply(op, &[&g.output(0), &g.of(0)]).unwrap_or_else(|e| e.raise()))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("LogSoftmax", &[("axis", self.axis.into())])
    }
}

/// `g − exp(y)·Σ g`.
#[derive(Debug)]
struct LogSoftmaxGrad {
    axis: usize,
}

impl Op for LogSoftmaxGrad {
    fn name(&self) -> &'static str {
        "log_softmax_grad"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(reals x[0].dtype(), T => {
            let x = [&x[0], &x[1]];
            whole_lanes(x, self.axis, &mut y[0], |_, [log, g], n, y| log_softmax_rows_backward::<T>(log, g, n, y))
        });
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// With `p = exp(y)` and incoming `h`: ∂/∂y = −h·p·Σ g and ∂/∂g = h − Σ h·p.
    fn grad(&self, g: &Grad) -> Grads {
        let (p, h) = (g.input(0).exp(), g.of(0));
        let axis = self.axis as isize;
        vec![
            g.when(0, || h.mul(&p).mul(g.input(1).sum_keepdim(axis)).neg()),
            g.when(1, || h.sub(h.mul(&p).sum_keepdim(axis))),
        ]
    }
}

#[fallible]
impl Tensor {
    /// `log(softmax(x))` along `axis`, computed without taking the logarithm of small numbers.
    pub fn log_softmax(&self, axis: isize) -> Result<Tensor> {
        along("log_softmax", self, axis, |x, axis| apply(LogSoftmax { axis }, &[x]))
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("log_softmax", |a, x| vec![x[0].log_softmax(a.integer("dim"))])
}
