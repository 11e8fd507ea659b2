//! `to_dtype`: the same values in another data type.

use crate::ops::prelude::*;

#[derive(Debug)]
struct Cast(DType);

impl Op for Cast {
    fn name(&self) -> &'static str {
        "to_dtype"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(x[0].with_dtype(self.0))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dispatch!(all x[0].dtype(), A => dispatch!(all self.0, Y => {
            if A::DTYPE.is_float() {
                map::unary(&x[0], &mut y[0], each(|v: A| Y::from_f64(v.to_f64())))
            } else {
                map::unary(&x[0], &mut y[0], each(|v: A| Y::from_i64(v.to_i64())))
            }
        }));
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || g.of(0).to_dtype(g.meta(0).dtype))]
    }

    /// Floats beyond a small type saturate here, and are not defined in ONNX.
    fn onnx(&self, x: &Writer) -> Result<Values> {
        let bounds = match self.0 {
            DType::U8 => [0, 255],
            DType::I8 => [-128, 127],
            _ => return Ok(vec![x.cast(x.input(0), self.0)]),
        };
        if !x.meta(0).dtype.is_float() {
            return Ok(vec![x.cast(x.input(0), self.0)]);
        }
        let [low, high] = bounds.map(|bound| x.number(bound));
        Ok(vec![x.cast(x.node("Clip", &[x.input(0), low, high], &[]), self.0)])
    }
}

#[fallible]
impl Tensor {
    /// The same values as `dtype`: floats become integers by truncation (saturating), anything but 0 becomes `true`.
    pub fn to_dtype(&self, dtype: DType) -> Result<Tensor> {
        if dtype == self.dtype() { Ok(self.clone()) } else { apply(Cast(dtype), &[self]) }
    }
}

impl Tensor {
    /// Both operands in the type that promotion gives. A rank-0 operand beside one with axes changes the
    /// type only if its category is higher, as in PyTorch.
    pub(crate) fn promoted(&self, other: impl Operand) -> Result<(Tensor, Tensor)> {
        let other = other.beside(self);
        let (a, b) = (self.dtype(), other.dtype());
        let dtype = match (self.rank(), other.rank()) {
            (0, 1..) if a.category() <= b.category() => b,
            (1.., 0) if b.category() <= a.category() => a,
            _ => a.promote(b),
        };
        Ok((self.try_to_dtype(dtype)?, other.try_to_dtype(dtype)?))
    }

    /// Itself, or its values as `f32` if they are integers or booleans.
    pub(crate) fn floating(&self) -> Result<Tensor> {
        self.try_to_dtype(self.dtype().to_float())
    }
}

pub(crate) fn cases() -> Cases {
    // Values by the IEEE rounding and truncation rules.
    let x = Tensor::from([-1.5f64, 0.0, 2.75, 300.0]);
    Cases::new("to_dtype", |a, x| vec![x[0].to_dtype(a.dtype("dtype"))])
        .with("integers", r#"{"dtype": "int64"}"#, std::slice::from_ref(&x), &[Tensor::from([-1i64, 0, 2, 300])])
        .with("bytes", r#"{"dtype": "uint8"}"#, std::slice::from_ref(&x), &[Tensor::from([0u8, 0, 2, 255])])
        .with("bools", r#"{"dtype": "bool"}"#, &[x], &[Tensor::from([true, false, true, true])])
}
