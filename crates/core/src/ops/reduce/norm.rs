//! `norm`: the p-norm over any axes, `(Σ |x|ᵖ)^(1/p)`, with its limits for p = 0, ∞ and -∞.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Norm {
    p: f64,
    axes: Vec<usize>,
    keep: bool,
}

impl Op for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn kind(&self) -> Kind {
        Kind::Reduce
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        if self.p.is_infinite() && self.axes.iter().any(|&a| x[0].shape[a] == 0) {
            let message = format!("of order {} is not defined for no elements (shape {})", self.p, x[0].shape);
            return Err(Error::op(self.name(), message));
        }
        one(x[0].with_shape(x[0].shape.reduce(&self.axes, self.keep)))
    }

    #[allow(clippy::eq_op)] // only NaN differs from itself
    fn run(&self, x: &[Input], y: &mut [Output]) {
        fn sum<T: Real>(
            op: &Norm,
            x: &Input,
            y: &mut Output,
            power: impl Fn(T) -> T + Sync,
            root: impl Fn(T) -> T + Sync,
        ) {
            let fold = Fold { empty: T::of(0.0), load: |v: T, _| power(v), join: |a, b| a + b, store: root };
            fold.run(x, &op.axes, y);
        }
        fn extreme<T: Real>(op: &Norm, x: &Input, y: &mut Output, better: impl Fn(T, T) -> bool + Sync) {
            let join = |a: T, b: T| if better(b, a) || b != b { b } else { a };
            let fold = Fold { empty: T::of(0.0), load: |v: T, _| v.abs(), join, store: |v: T| v };
            fold.run(x, &op.axes, y);
        }
        dispatch!(reals x[0].dtype(), T => {
            let (x, y, zero, p) = (&x[0], &mut y[0], T::of(0.0), T::of(self.p));
            match self.p {
                0.0 => sum(self, x, y, |v: T| T::of(f64::from(v != zero)), |sum| sum),
                1.0 => sum(self, x, y, Real::abs, |sum: T| sum),
                2.0 => sum(self, x, y, |v: T| v * v, Real::sqrt),
                f64::INFINITY => extreme(self, x, y, |a: T, b: T| a > b),
                f64::NEG_INFINITY => extreme(self, x, y, |a: T, b: T| a < b),
                _ => sum(self, x, y, |v: T| v.abs().pow(p), |sum: T| sum.pow(T::of(1.0) / p)),
            }
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 1, outputs: 1 }
    }

    /// `sign(x) · (|x| / y)^(p - 1)`, taken to be 0 where the norm is (or, for p < 1, where the element is).
    /// What those places would divide by is replaced before, so that higher derivatives are finite too.
    fn grad(&self, g: &Grad) -> Grads {
        let shape = g.meta(0).shape.reduce(&self.axes, true);
        let (x, y, g) = (g.input(0), g.output(0).reshape(&shape), g.of(0).reshape(&shape));
        vec![Some(match self.p {
            0.0 => x.zeros_like(),
            1.0 => x.sign().mul(g),
            2.0 => {
                let zero = y.eq(0);
                x.mul(g.div(y.masked_fill(&zero, 1)).masked_fill(&zero, 0))
            }
            p if p.is_infinite() => {
                let tied = x.abs().eq(&y).to_dtype(x.dtype());
                let share = g.div(tied.sum_keepdim(&self.axes[..]));
                x.sign().mul(tied).mul(share)
            }
            p => {
                let (zero, none) = (x.eq(0), y.eq(0));
                let powers = x.masked_fill(&zero, 1).abs().pow(p - 1.0).masked_fill(&zero, 0);
                let scale = g.div(y.masked_fill(&none, 1).pow(p - 1.0)).masked_fill(&none, 0);
                x.sign().mul(powers).mul(scale)
            }
        })]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let reduce = |operator| Ok(vec![x.reduce(operator, x.input(0), &self.axes, self.keep)]);
        let sum = |t: Tensor| if self.keep { t.sum_keepdim(&self.axes[..]) } else { t.sum(&self.axes[..]) };
        match self.p {
            _ if self.axes.is_empty() => x.composed(|x| x[0].abs()),
            0.0 => x.composed(|x| sum(x[0].ne(0).to_dtype(x[0].dtype()))),
            1.0 => reduce("ReduceL1"),
            2.0 => reduce("ReduceL2"),
            f64::INFINITY => Ok(vec![x.reduce("ReduceMax", x.node("Abs", &[x.input(0)], &[]), &self.axes, self.keep)]),
            f64::NEG_INFINITY => {
                Ok(vec![x.reduce("ReduceMin", x.node("Abs", &[x.input(0)], &[]), &self.axes, self.keep)])
            }
            p => x.composed(|x| sum(x[0].abs().pow(p)).pow(1.0 / p)),
        }
    }
}

#[fallible]
impl Tensor {
    /// The p-norm over the given axes (`..` for all), which disappear: 2 for the Euclidean length, 1 for the
    /// sum of magnitudes, `f64::INFINITY` for the largest, 0 for the number of elements that are not 0.
    pub fn norm(&self, p: f64, axes: impl Into<Axes>) -> Result<Tensor> {
        self.norm_of_order(p, axes.into(), false)
    }

    /// As [`Tensor::norm`]; the axes stay with size 1.
    pub fn norm_keepdim(&self, p: f64, axes: impl Into<Axes>) -> Result<Tensor> {
        self.norm_of_order(p, axes.into(), true)
    }
}

impl Tensor {
    /// Half types are computed in f32, whose powers reach further.
    fn norm_of_order(&self, p: f64, axes: Axes, keep: bool) -> Result<Tensor> {
        let axes = axes.resolve(self.shape(), "norm")?.to_vec();
        let x = self.floating()?;
        apply(Norm { p, axes, keep }, &[&x.try_to_dtype(x.dtype().compute())?])?.try_to_dtype(x.dtype())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("norm", |a, x| {
        let (p, axes) = (a.float("p"), a.axes("dim"));
        vec![if a.flag("keepdim") { x[0].norm_keepdim(p, axes) } else { x[0].norm(p, axes) }]
    })
}
