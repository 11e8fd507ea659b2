//! `clamp`: `min(max(x, low), high)`, element by element.

use crate::ops::prelude::*;
use crate::tensor::Scalar;

/// Bounds that are numbers; a missing one bounds nothing.
#[derive(Debug)]
struct Clamp {
    low: Option<Scalar>,
    high: Option<Scalar>,
}

impl Op for Clamp {
    fn name(&self) -> &'static str {
        "clamp"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_number(self, &x[0])?;
        one(x[0].clone())
    }

    /// The comparisons are such that NaN stays, and `high` wins where the bounds are crossed.
    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(numbers y[0].dtype(), T => {
            let low: T = self.low.map_or(T::from_f64(f64::NEG_INFINITY), nearest);
            let high: T = self.high.map_or(T::from_f64(f64::INFINITY), nearest);
            map::unary(&x[0], &mut y[0], each(|x: T| {
                let x = if x < low { low } else { x };
                if x > high { high } else { x }
            }));
        });
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        let outside = |bound: Option<Scalar>, test: fn(&Tensor, Tensor) -> Tensor| {
            bound.map(|bound| test(&g.input(0), bound.tensor(g.meta(0).dtype)))
        };
        let below = outside(self.low, |x, low| x.le(low));
        let above = outside(self.high, |x, high| x.ge(high));
        vec![Some([below, above].iter().flatten().fold(g.of(0), |g, outside| outside.where_(0, g)))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let bound = |bound: Option<Scalar>| match bound {
            None => Value::OMITTED,
            Some(bound) => x.constant(&dispatch!(numbers x.meta(0).dtype, T => Tensor::full((), nearest::<T>(bound)))),
        };
        Ok(vec![x.node("Clip", &[x.input(0), bound(self.low), bound(self.high)], &[])])
    }
}

impl Rewrites for Clamp {
    fn bounds(&self) -> Option<(f64, f64)> {
        let bound = |bound: Option<Scalar>, none| bound.map_or(none, |bound| bound.element::<f64>());
        Some((bound(self.low, f64::NEG_INFINITY), bound(self.high, f64::INFINITY)))
    }
}

/// The bound in the tensor's type; one outside a small integer type saturates, so that it bounds nothing.
fn nearest<T: Element>(bound: Scalar) -> T {
    match bound {
        Scalar::Int(bound) if T::DTYPE != DType::I64 => T::from_f64(bound as f64),
        bound => bound.element(),
    }
}

#[fallible]
impl Tensor {
    /// `min(max(self, low), high)`, broadcasting; NaN stays.
    ///
    /// The derivative at a bound that is a number is 0; an element equal to a bound that is a tensor shares its
    /// gradient with it, as in [`Tensor::maximum`].
    pub fn clamp(&self, low: impl Operand, high: impl Operand) -> Result<Tensor> {
        let (Some(least), Some(most)) = (low.number(), high.number()) else {
            return self.try_clamp_min(low)?.try_clamp_max(high);
        };
        let (x, _) = self.promoted(low)?;
        let (x, _) = x.promoted(high)?;
        apply(Clamp { low: Some(least), high: Some(most) }, &[&x])
    }

    /// `max(self, low)`; see [`Tensor::clamp`].
    pub fn clamp_min(&self, low: impl Operand) -> Result<Tensor> {
        match low.number() {
            None => self.try_maximum(low),
            number => apply(Clamp { low: number, high: None }, &[&self.promoted(low)?.0]),
        }
    }

    /// `min(self, high)`; see [`Tensor::clamp`].
    pub fn clamp_max(&self, high: impl Operand) -> Result<Tensor> {
        match high.number() {
            None => self.try_minimum(high),
            number => apply(Clamp { low: None, high: number }, &[&self.promoted(high)?.0]),
        }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("clamp", |a, x| {
        let number = |name: &str| a.get(name).map(|v| v.as_i64().map_or(Scalar::Float(a.float(name)), Scalar::Int));
        vec![match (number("min"), number("max")) {
            (Some(low), Some(high)) => x[0].clamp(low, high),
            (Some(low), None) => x[0].clamp_min(low),
            (None, Some(high)) => x[0].clamp_max(high),
            (None, None) => x[0].clamp(&x[1], &x[2]),
        }]
    })
    .with(
        "beyond_bytes",
        r#"{"min": -1, "max": 300}"#,
        &[Tensor::from([0u8, 7, 255])],
        &[Tensor::from([0u8, 7, 255])],
    )
}
