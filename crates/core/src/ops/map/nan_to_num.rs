//! `nan_to_num`: NaN and infinities replaced by numbers.

use crate::ops::prelude::*;

#[derive(Debug)]
struct NanToNum {
    nan: f64,
    positive: f64,
    negative: f64,
}

impl Function for NanToNum {
    const NAME: &'static str = "nan_to_num";
    const READS: Reads = Reads::INPUTS;

    fn value<T: Real>(&self, x: T) -> T {
        match x.to_f64() {
            v if v.is_nan() => T::of(self.nan),
            f64::INFINITY => T::of(self.positive),
            f64::NEG_INFINITY => T::of(self.negative),
            _ => x,
        }
    }

    /// What was replaced gets no gradient.
    fn pull(&self, g: &Grad) -> Tensor {
        g.input(0).isfinite().where_(g.of(0), 0)
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed(|x| {
            let finite = x[0].isnan().where_(self.nan, &x[0]);
            let finite = x[0].eq(f64::INFINITY).where_(self.positive, finite);
            x[0].eq(f64::NEG_INFINITY).where_(self.negative, finite)
        })
    }
}

#[fallible]
impl Tensor {
    /// NaN replaced by 0, infinities by the largest and smallest finite numbers of the type.
    pub fn nan_to_num(&self) -> Result<Tensor> {
        let largest = match self.dtype() {
            DType::F16 => half::f16::MAX.to_f64(),
            DType::BF16 => half::bf16::MAX.to_f64(),
            DType::F32 => f32::MAX as f64,
            _ => f64::MAX,
        };
        self.try_nan_to_num_with(0.0, largest, -largest)
    }

    /// NaN replaced by `nan`, ∞ by `positive`, −∞ by `negative`.
    pub fn nan_to_num_with(&self, nan: f64, positive: f64, negative: f64) -> Result<Tensor> {
        if !self.dtype().is_float() {
            return Ok(self.clone());
        }
        apply(NanToNum { nan, positive, negative }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    Cases::new("nan_to_num", |a, x| {
        vec![match (a.float_opt("posinf"), a.float_opt("neginf")) {
            (Some(positive), Some(negative)) => x[0].nan_to_num_with(a.float("nan"), positive, negative),
            _ => x[0].nan_to_num(),
        }]
    })
}
