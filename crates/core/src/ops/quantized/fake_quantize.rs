//! `fake_quantize`: numbers rounded to those that a few bits can stand for, with the gradient passed straight through
//! (Jacob et al. 2018, arXiv 1712.05877).

use crate::op::require_one_float_type;
use crate::ops::prelude::*;
use crate::tensor::Scalar;
use hadal_kernels::simd::{Vectorized, vectorized};
use std::ops::RangeInclusive;

/// `x, scale, zero → y`, all of one float type; scale and zero point broadcast to `x`.
#[derive(Debug)]
struct FakeQuantize {
    low: i32,
    high: i32,
}

/// What is left of a number.
#[inline(always)]
fn rounded<T: Real>(x: T, scale: T, zero: T, low: T, high: T) -> T {
    let q = (x * (T::of(1.0) / scale)).round_ties_even() + zero;
    let q = if q < low { low } else { q };
    ((if q > high { high } else { q }) - zero) * scale
}

/// A tile of numbers.
struct Tile<'a>([&'a [f32]; 3], [f32; 2], &'a mut [f32]);

impl Vectorized for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Tile([x, scale, zero], [low, high], y) = self;
        for (((y, &x), &scale), &zero) in y.iter_mut().zip(x).zip(scale).zip(zero) {
            *y = rounded(x, scale, zero, low, high);
        }
    }
}

impl FakeQuantize {
    /// The type of as many steps in ONNX, and whether it has no others.
    fn stored(&self) -> Option<(DType, bool)> {
        match (self.low, self.high) {
            (0.., ..=255) => Some((DType::U8, (self.low, self.high) == (0, 255))),
            (-128.., ..=127) => Some((DType::I8, (self.low, self.high) == (-128, 127))),
            _ => None,
        }
    }
}

impl Op for FakeQuantize {
    fn name(&self) -> &'static str {
        "fake_quantize"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        for (what, meta) in ["scale", "zero point"].into_iter().zip(&x[1..]) {
            if x[0].shape.broadcast(&meta.shape, self.name())? != x[0].shape {
                let message = format!("got a {what} of shape {} for an input of shape {}", meta.shape, x[0].shape);
                return Err(Error::op(self.name(), message));
            }
        }
        one(x[0].clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (low, high) = (self.low, self.high);
        if y[0].dtype() == DType::F64 {
            let (low, high) = (f64::from(low), f64::from(high));
            return map::ternary(x, &mut y[0], each3(|x: f64, scale, zero| rounded(x, scale, zero, low, high)));
        }
        map::ternary(x, &mut y[0], |x: &[f32], scale: &[f32], zero: &[f32], y: &mut [f32]| {
            vectorized(Tile([x, scale, zero], [low as f32, high as f32], y));
        });
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    /// 1 where the step is in range, else 0; none of scale and zero point.
    fn grad(&self, g: &Grad) -> Grads {
        let x = g.when(0, || {
            let steps = g.input(0).mul(g.input(1).reciprocal()).round().add(g.input(2));
            let inside = steps.ge(self.low).logical_and(steps.le(self.high));
            inside.where_(g.of(0), Tensor::full_with((), 0, g.of(0).dtype()))
        });
        vec![x, None, None]
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    /// `QuantizeLinear` and `DequantizeLinear`, with one scale or one for each place of an axis; other runtimes keep them in
    /// eight bits.
    fn onnx(&self, x: &Writer) -> Result<Values> {
        let (Some((dtype, whole)), true) = (self.stored(), x.meta(1).shape == x.meta(2).shape) else {
            return Err(x.no_form("has a form in ONNX only for the ranges of 8 bits"));
        };
        let (shape, scales) = (&x.meta(0).shape, &x.meta(1).shape);
        let sizes = (0..scales.rank()).filter(|&axis| scales[axis] != 1).collect::<Vec<_>>();
        let (axis, of) = match sizes[..] {
            [] => (0, vec![]),
            [axis] => (axis + shape.rank() - scales.rank(), vec![scales[axis]]),
            _ => return Err(x.no_form("has a form in ONNX only for scales along one axis")),
        };
        let scale = x.reshape(x.input(1), &of);
        let zero = x.cast(x.reshape(x.input(2), &of), dtype);
        let along = [("axis", Attribute::from(axis))];
        let mut steps = x.node("QuantizeLinear", &[x.input(0), scale, zero], &along);
        if !whole {
            let bound = |value: i32| x.constant(&Scalar::Int(value.into()).tensor(dtype));
            steps = x.node("Clip", &[steps, bound(self.low), bound(self.high)], &[]);
        }
        Ok(vec![x.node("DequantizeLinear", &[steps, scale, zero], &along)])
    }
}

impl Rewrites for FakeQuantize {
    fn fake_quantized(&self, constants: &[Option<Tensor>]) -> Option<(f32, f32)> {
        let [_, Some(scale), Some(zero)] = constants else { return None };
        if self.high - self.low != 255 || scale.elements() != 1 || zero.elements() != 1 {
            return None;
        }
        let (scale, zero) = (scale.to_f64_vec()[0], zero.to_f64_vec()[0]);
        let number = |step: i32| (scale * (f64::from(step) - zero)) as f32;
        Some((number(self.low), number(self.high)))
    }
}

#[fallible]
impl Tensor {
    /// `scale · (q − zero)` with `q = round(self / scale) + zero`, ties to even, at least `range.start()` and at most
    /// `range.end()`: what is left of a number that is stored in as many steps. The derivative is 1 where `q` is within the
    /// range, else 0; scale and zero point, numbers or tensors that broadcast to this one, get none.
    pub fn fake_quantize(&self, scale: impl Operand, zero: impl Operand, range: RangeInclusive<i32>) -> Result<Tensor> {
        let number = |given: Option<Scalar>| given.map(|given| given.tensor(DType::F64).to_f64_vec()[0]);
        if let Some(scale) = number(scale.number()).filter(|scale| scale.is_nan() || *scale <= 0.0) {
            return Err(Error::op("fake_quantize", format!("needs a positive scale, got {scale}")));
        }
        let within = |zero: &f64| (f64::from(*range.start())..=f64::from(*range.end())).contains(zero);
        if let Some(zero) = number(zero.number()).filter(|zero| !within(zero)) {
            return Err(Error::op("fake_quantize", format!("needs a zero point within {range:?}, got {zero}")));
        }
        let x = self.floating()?;
        let wide = x.try_to_dtype(x.dtype().compute())?;
        let [scale, zero] = [scale.beside(&wide), zero.beside(&wide)];
        let (scale, zero) = (scale.try_to_dtype(wide.dtype())?, zero.try_to_dtype(wide.dtype())?);
        apply(FakeQuantize { low: *range.start(), high: *range.end() }, &[&wide, &scale, &zero])?
            .try_to_dtype(x.dtype())
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("fake_quantize", |a, x| {
        let range = a.integer("low") as i32..=a.integer("high") as i32;
        vec![match &x[1..] {
            [scale, zero] => x[0].fake_quantize(scale, zero, range),
            _ => x[0].fake_quantize(0.25, 2, range),
        }]
    })
    // Worked by hand: steps of 1/4 from −2 to 5, of which the first number makes −3, the last but one 6, and the third 2.5.
    .with(
        "by_hand",
        r#"{"low": 0, "high": 7, "smooth": false}"#,
        &[Tensor::from([-0.75f64, -0.5, 0.625, 0.3, 1.25, 1.5])],
        &[Tensor::from([-0.5f64, -0.5, 0.5, 0.25, 1.25, 1.25])],
    )
}

#[cfg(test)]
mod tests {
    use crate::{Param, Tensor};

    #[test]
    fn the_gradient_passes_where_the_steps_are_in_range() {
        let x = Param::new(Tensor::from([-0.75f32, -0.6, -0.5, 0.0, 1.3, 1.5]));
        let gradients = x.get().fake_quantize(0.25, 2, 0..=7).sum(..).backward();
        assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>(), [0.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn what_is_no_number_stays_none_and_has_no_gradient() {
        let x = Param::new(Tensor::from([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]));
        let y = x.get().fake_quantize(0.5, 1, 0..=255);
        assert!(y.to_vec::<f32>()[0].is_nan());
        assert_eq!(y.to_vec::<f32>()[1..], [127.0, -0.5]);
        assert_eq!(y.sum(..).backward().get(&x).unwrap().to_vec::<f32>(), [0.0; 3]);
    }

    #[test]
    fn mistakes_are_explained() {
        let text =
            |scale: f64, zero: i32| Tensor::zeros(3).try_fake_quantize(scale, zero, 0..=7).unwrap_err().to_string();
        assert_eq!(text(0.0, 2), "fake_quantize needs a positive scale, got 0");
        assert_eq!(text(1.0, 8), "fake_quantize needs a zero point within 0..=7, got 8");
        let scales = Tensor::ones([2, 3]);
        let error = Tensor::zeros(3).try_fake_quantize(&scales, 0, 0..=7).unwrap_err().to_string();
        assert_eq!(error, "fake_quantize got a scale of shape [2, 3] for an input of shape [3]");
    }
}
