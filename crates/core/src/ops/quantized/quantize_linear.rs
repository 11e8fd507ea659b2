//! `quantize_linear`: numbers as bytes that stand for them in steps of a scale.

use crate::ops::prelude::*;
use crate::run::bytes::ByteScale;
use hadal_kernels::quantized::quantize_each;

/// `x f32, scale f32, zero u8 or i8 → y`, of the type of `zero`.
#[derive(Debug)]
struct QuantizeLinear;

impl Op for QuantizeLinear {
    fn name(&self) -> &'static str {
        "quantize_linear"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let shape = x[0].shape.broadcast(&x[1].shape, self.name())?.broadcast(&x[2].shape, self.name())?;
        let (types, bytes) = ([x[0].dtype, x[1].dtype], [DType::U8, DType::I8].contains(&x[2].dtype));
        if types != [DType::F32; 2] || !bytes || shape != x[0].shape {
            let message = format!("needs f32 numbers and scales and bytes as zero points that fit them, got {x:?}");
            return Err(Error::op(self.name(), message));
        }
        one(x[0].with_dtype(x[2].dtype))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        match y[0].dtype() {
            DType::U8 => map::ternary(x, &mut y[0], quantize_each::<u8>),
            _ => map::ternary(x, &mut y[0], quantize_each::<i8>),
        }
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    /// None: what steps make has no slope.
    fn grad(&self, g: &Grad) -> Grads {
        vec![None; g.inputs()]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        super::dequantize_linear::one_scale(x, "QuantizeLinear")
    }
}

impl Rewrites for QuantizeLinear {
    fn on_bytes(&self, _: &[Meta], given: &[Option<Tensor>]) -> Option<OnBytes> {
        let (scale, signed) = ByteScale::of_constants(given[1].as_ref()?, given[2].as_ref()?)?;
        Some(OnBytes::ToBytes { scale, signed })
    }
}

#[fallible]
impl Tensor {
    /// `round(self / scale) + zero`, ties to even, as bytes of the type of `zero` (`u8` or `i8`); what lies beyond their
    /// range becomes the least or the largest. Scales and zero points broadcast.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let x = Tensor::from([-1.0f32, 0.25, 0.75, 1e9]);
    /// let bytes = x.quantize_linear(&Tensor::from(0.5f32), &Tensor::from(3u8));
    /// assert_eq!(bytes.to_vec::<u8>(), [1, 3, 5, 255]);
    /// ```
    pub fn quantize_linear(&self, scale: &Tensor, zero: &Tensor) -> Result<Tensor> {
        apply(QuantizeLinear, &[self, scale, zero])
    }
}

fn by_hand(x: &[Tensor]) -> Tensor {
    let numbers = x[0].to_dtype(DType::F32);
    match x[1].rank() {
        0 => numbers.quantize_linear(&Tensor::from(0.5f32), &x[1].to_dtype(DType::U8)),
        _ => numbers.quantize_linear(&Tensor::from([[0.5f32], [2.0]]), &x[1].to_dtype(DType::I8)),
    }
}

pub(crate) fn cases() -> Cases {
    // Worked by hand; the second case has a scale and a zero point for each row.
    let x = Tensor::from([[-1.0f64, 0.25, 0.75, 1e9], [1.0, -3.0, 0.5, -1e9]]);
    Cases::new("quantize_linear", |_, x| vec![by_hand(x)])
        .with("bytes", "{}", &[x.clone(), Tensor::from(3u8)], &[Tensor::from([[1u8, 3, 5, 255], [5, 0, 4, 0]])])
        .with("rows", "{}", &[x, Tensor::from([[-3i8], [1]])], &[Tensor::from([[-5i8, -3, -1, 127], [1, -1, 1, -128]])])
}
