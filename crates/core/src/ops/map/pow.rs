//! `pow`: `aᵇ`, element by element.

use crate::ops::prelude::*;
use crate::tensor::{Category, Scalar};

#[derive(Debug)]
struct Pow;

impl Op for Pow {
    fn name(&self) -> &'static str {
        "pow"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_number(self, &x[0])?;
        one(broadcast(self, x)?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        match y[0].dtype() {
            dtype if dtype.is_float() => map::float2(x, &mut y[0], math::pow, math::pow_f64),
            dtype => dispatch!(integers dtype, T => {
                map::binary(x, &mut y[0], each2(|a: T, b: T| T::from_i64(integer_power(a.to_i64(), b.to_i64()))));
            }),
        }
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b11, outputs: 0b1 }
    }

    /// `∂/∂a = b · aᵇ⁻¹`, 0 at a = b = 0; `∂/∂b = aᵇ · log(a)`, 0 for a = 0 and b ≥ 0. The exceptions replace the
    /// operands rather than the result, so that the rule's own gradient is finite there as well.
    fn grad(&self, g: &Grad) -> Grads {
        let (a, b) = (g.input(0), g.input(1));
        let zero = a.eq(0);
        vec![
            g.when(0, || {
                let lower = zero.logical_and(b.eq(0)).where_(0, b.sub(1));
                g.of(0).mul(b.mul(a.pow(lower))).sum_to(&g.meta(0).shape)
            }),
            g.when(1, || {
                let base = zero.logical_and(b.ge(0)).where_(1, &a);
                g.of(0).mul(g.output(0).mul(base.log())).sum_to(&g.meta(1).shape)
            }),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.arithmetic("Pow")
    }
}

/// By repeated squaring; wraps. A negative exponent gives what is left of the fraction: 0, except for ±1.
fn integer_power(base: i64, exponent: i64) -> i64 {
    match (base, exponent) {
        (1, _) => 1,
        (-1, n) => 1 - 2 * (n & 1),
        (_, ..0) => 0,
        (base, mut n) => {
            let (mut power, mut square) = (1i64, base);
            while n > 0 {
                if n & 1 == 1 {
                    power = power.wrapping_mul(square);
                }
                square = square.wrapping_mul(square);
                n >>= 1;
            }
            power
        }
    }
}

#[fallible]
impl Tensor {
    /// `self` to the power of `exponent`, broadcasting; `0⁰ = 1`. Integers wrap, and refuse a negative number.
    ///
    /// The exponents ½, 1 and 2 given as numbers are computed as `sqrt`, the tensor itself and `square`.
    pub fn pow(&self, exponent: impl Operand) -> Result<Tensor> {
        let number = exponent.number();
        let (a, b) = self.promoted(exponent)?;
        let whole = a.dtype().category() == Category::Integer;
        match number {
            Some(Scalar::Int(n)) if n < 0 && whole => {
                let message =
                    format!("of integers needs an exponent of at least 0, got {n}; convert the base to a float");
                Err(Error::op("pow", message))
            }
            Some(Scalar::Int(2) | Scalar::Float(2.0)) => a.try_square(),
            Some(Scalar::Int(1) | Scalar::Float(1.0)) => Ok(a),
            Some(Scalar::Float(0.5)) => a.try_sqrt(),
            _ => apply(Pow, &[&a, &b]),
        }
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("pow", |a, x| {
        vec![match (a.float_opt("exponent"), a.float_opt("base")) {
            (Some(exponent), _) => x[0].pow(exponent),
            (_, Some(base)) => Tensor::full_with((), base, x[0].dtype()).pow(&x[0]),
            _ => x[0].pow(&x[1]),
        }]
    })
}
