//! `dequantize_linear`: the numbers that bytes stand for in steps of a scale.

use crate::ops::prelude::*;
use crate::run::bytes::ByteScale;
use hadal_kernels::quantized::dequantize_each;

/// `x u8 or i8, scale f32, zero → y f32`; `zero` is of the type of `x`.
#[derive(Debug)]
struct DequantizeLinear;

impl Op for DequantizeLinear {
    fn name(&self) -> &'static str {
        "dequantize_linear"
    }

    fn kind(&self) -> Kind {
        Kind::Map
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let shape = x[0].shape.broadcast(&x[1].shape, self.name())?.broadcast(&x[2].shape, self.name())?;
        let bytes = [DType::U8, DType::I8].contains(&x[0].dtype) && x[0].dtype == x[2].dtype;
        if x[1].dtype != DType::F32 || !bytes || shape != x[0].shape {
            let message = format!("needs bytes, and f32 scales and zero points of their type that fit them, got {x:?}");
            return Err(Error::op(self.name(), message));
        }
        one(x[0].with_dtype(DType::F32))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        match x[0].dtype() {
            DType::U8 => map::ternary(x, &mut y[0], dequantize_each::<u8>),
            _ => map::ternary(x, &mut y[0], dequantize_each::<i8>),
        }
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b101, outputs: 0 }
    }

    /// Bytes have none; that of the scale is a sum over steps.
    fn grad(&self, g: &Grad) -> Grads {
        let steps = || g.input(0).to_dtype(DType::F32).sub(g.input(2).to_dtype(DType::F32));
        vec![None, g.when(1, || g.of(0).mul(steps()).sum_to(&g.meta(1).shape)), None]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        one_scale(x, "DequantizeLinear")
    }
}

/// The node with one scale for all elements, or one for each position of an axis.
pub(super) fn one_scale(x: &Writer, operator: &'static str) -> Result<Values> {
    let (shape, [scale, zero]) = (&x.meta(0).shape, [1, 2].map(|i| x.meta(i).shape.clone()));
    let axes = |given: &Shape| -> Vec<usize> {
        let skipped = shape.rank() - given.rank();
        (0..given.rank()).filter(|&i| given[i] != 1).map(|i| i + skipped).collect()
    };
    match (&axes(&scale)[..], &axes(&zero)[..]) {
        ([], []) => {
            let [scale, zero] = [1, 2].map(|i| x.reshape(x.input(i), &[]));
            Ok(vec![x.node(operator, &[x.input(0), scale, zero], &[])])
        }
        (&[axis], &[other]) if axis == other => {
            let [scale, zero] = [1, 2].map(|i| x.reshape(x.input(i), &[shape[axis]]));
            Ok(vec![x.node(operator, &[x.input(0), scale, zero], &[("axis", axis.into())])])
        }
        _ => Err(x.no_form("ONNX has scales and zero points for one axis, both alike")),
    }
}

impl Rewrites for DequantizeLinear {
    fn on_bytes(&self, _: &[Meta], given: &[Option<Tensor>]) -> Option<OnBytes> {
        let scales = given[1].clone()?;
        let scale = given[2].as_ref().and_then(|zero| ByteScale::of_constants(&scales, zero));
        Some(OnBytes::FromBytes { scale: scale.map(|(scale, _)| scale), scales })
    }
}

#[fallible]
impl Tensor {
    /// `(self − zero) · scale` in `f32`, of bytes (`u8` or `i8`); scales, and zero points of the bytes' type, broadcast.
    ///
    /// ```
    /// # use hadal_core::Tensor;
    /// let bytes = Tensor::from([1u8, 3, 255]);
    /// let x = bytes.dequantize_linear(&Tensor::from(0.5f32), &Tensor::from(3u8));
    /// assert_eq!(x.to_vec::<f32>(), [-1.0, 0.0, 126.0]);
    /// ```
    pub fn dequantize_linear(&self, scale: &Tensor, zero: &Tensor) -> Result<Tensor> {
        apply(DequantizeLinear, &[self, scale, zero])
    }
}

pub(crate) fn cases() -> Cases {
    // Worked by hand; the second case has a scale and a zero point for each row.
    Cases::new("dequantize_linear", |_, x| {
        let bytes = if x[2].rank() == 0 { DType::U8 } else { DType::I8 };
        vec![x[0].to_dtype(bytes).dequantize_linear(&x[1].to_dtype(DType::F32), &x[2].to_dtype(bytes))]
    })
    .with(
        "bytes",
        "{}",
        &[Tensor::from([1u8, 3, 255]), Tensor::from(0.5f64), Tensor::from(3u8)],
        &[Tensor::from([-1.0f32, 0.0, 126.0])],
    )
    .with(
        "rows",
        "{}",
        &[Tensor::from([[-128i8, -3, 127], [5, 6, 7]]), Tensor::from([[0.5f64], [2.0]]), Tensor::from([[-3i8], [6]])],
        &[Tensor::from([[-62.5f32, 0.0, 65.0], [-2.0, 0.0, 2.0]])],
    )
}
