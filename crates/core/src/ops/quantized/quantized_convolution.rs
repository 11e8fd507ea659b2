//! `quantized_convolution`: products of bytes with exact sums, for convolutions and dense layers.

use crate::ops::prelude::*;
use crate::run::bytes::ByteScale;
use hadal_kernels::conv::ConvShape;
use hadal_kernels::quantized::{
    Finish, InputScale, QuantizedOutput, Residual, convolve, packed_len, pitch, x_len, y_len,
};
use std::sync::Arc;

/// What becomes of the sums.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    /// What the bytes of another result stand for that is added.
    pub(crate) residual: Option<ByteScale>,
    /// What is below and above is replaced by these.
    pub(crate) bounds: Option<(f64, f64)>,
    /// What the bytes of the result stand for; without, it is numbers …
    pub(crate) bytes: Option<ByteScale>,
    /// … of this shape: `[batch, channels, …]`, in one way or another.
    pub(crate) shape: Shape,
}

/// `x u8, packed weight i8, sums i32, scales f32, bias (, residual u8) → y`: images of bytes, or numbers. A bias in `i32`
/// is added to the sums, one in `f32` to the numbers that they stand for.
#[derive(Debug)]
struct ProductsOfBytes {
    shape: ConvShape,
    x: ByteScale,
    ending: Ending,
}

/// The op for these sizes; its inputs behind the first are made by `run::bytes::prepare`.
pub(crate) fn op(shape: ConvShape, x: ByteScale, ending: Ending) -> Arc<dyn Op> {
    Arc::new(ProductsOfBytes { shape, x, ending })
}

impl Op for ProductsOfBytes {
    fn name(&self) -> &'static str {
        "quantized_convolution"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let outputs = self.shape.out_channels;
        let expected = [
            (DType::U8, x_len(&self.shape)),
            (DType::I8, packed_len(&self.shape)),
            (DType::I32, outputs),
            (DType::F32, outputs),
            (if x[4].dtype == DType::I32 { DType::I32 } else { DType::F32 }, outputs),
            (DType::U8, y_len(&self.shape)),
        ];
        let count = 5 + self.ending.residual.is_some() as usize;
        let found: Vec<_> = x.iter().map(|x| (x.dtype, x.shape.elements())).collect();
        if found != expected[..count] {
            return Err(Error::op(self.name(), format!("needs {:?}, got {found:?}", &expected[..count])));
        }
        let [d, h, w] = self.shape.output;
        one(match self.ending.bytes {
            Some(_) => Meta::new([self.shape.batch, d, h, w, pitch(outputs)], DType::U8),
            None => Meta::new(&self.ending.shape, DType::F32),
        })
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (weight, sums) = (x[3].contiguous::<f32>(), x[2].contiguous::<i32>());
        let whole_bias = (x[4].dtype() == DType::I32).then(|| x[4].contiguous::<i32>());
        let bias = (x[4].dtype() == DType::F32).then(|| x[4].contiguous::<f32>());
        let values = x.get(5).map(|x| x.contiguous::<u8>());
        let residual = |values| self.ending.residual.map(|r| Residual { values, scale: r.scale, zero: r.zero });
        let finish = Finish {
            x: InputScale::One(self.x.scale, self.x.zero),
            weight: &weight,
            sums: &sums,
            whole_bias: whole_bias.as_deref(),
            bias: bias.as_deref(),
            residual: values.as_deref().and_then(residual),
            bounds: self.ending.bounds.map(|(low, high)| (low as f32, high as f32)),
        };
        let to = match self.ending.bytes {
            Some(ByteScale { scale, zero }) => QuantizedOutput::Bytes(y[0].slice(), scale, zero),
            None => QuantizedOutput::Numbers(y[0].slice()),
        };
        convolve(&self.shape, &x[0].contiguous(), &x[1].contiguous(), finish, to);
    }

    fn flops(&self, _: &[Meta], _: &[Meta]) -> u64 {
        let ConvShape { batch, output, out_channels, .. } = self.shape;
        let products = self.shape.weight_len() / out_channels.max(1);
        2 * (batch * output.iter().product::<usize>() * out_channels * products) as u64
    }

    fn variant(&self) -> &'static str {
        if self.ending.residual.is_some() { "with a residual" } else { "" }
    }

    /// None: what steps make has no slope.
    fn grad(&self, g: &Grad) -> Grads {
        vec![None; g.inputs()]
    }
}

/// One row of three features, whose zero point is 10, by the weights (1, 2, 3) and (−1, 0, 127).
fn by_hand(bytes: bool, x: &[Tensor]) -> Result<Tensor> {
    let one = [1; 3];
    let (batch, groups, in_channels, out_channels, pad_begin) = (1, 1, 3, 2, [0; 3]);
    let (input, kernel, output, stride, dilation) = (one, one, one, one, one);
    let shape =
        ConvShape { batch, groups, in_channels, out_channels, input, kernel, output, stride, pad_begin, dilation };
    let (mut packed, mut sums) = (vec![0; packed_len(&shape)], vec![0; 2]);
    hadal_kernels::quantized::pack(&shape, &[1, 2, 3, -1, 0, 127], &mut packed, &mut sums);
    let others =
        [Tensor::from(packed), Tensor::from(sums), Tensor::from([0.1f32, 0.01]), Tensor::from([1.0f32, -12.7])];
    let (x, residual) = (x[0].to_dtype(DType::U8), x[1].to_dtype(DType::U8));
    let inputs: Vec<&Tensor> = std::iter::once(&x).chain(&others).chain([&residual]).collect();
    let ending = Ending {
        residual: Some(ByteScale { scale: 0.5, zero: 2 }),
        bounds: Some((0.25, f64::INFINITY)),
        bytes: bytes.then_some(ByteScale { scale: 0.5, zero: 1 }),
        shape: Shape::from([1, 2]),
    };
    apply(ProductsOfBytes { shape, x: ByteScale { scale: 0.5, zero: 10 }, ending }, &inputs)
}

pub(crate) fn cases() -> Cases {
    // Sums 80 and 2540, times 0.5 · (0.1, 0.01), plus (1, −12.7), plus 0.5 · (residual − 2), at least 0.25; as bytes in steps
    // of 0.5 from 1 on.
    let inputs = [Tensor::from([10u8, 20, 30, 0]), Tensor::from([4u8, 2, 0, 0])];
    let bytes = Tensor::from([13u8, 1, 1, 1]).reshape([1, 1, 1, 1, 4]);
    Cases::new("quantized_convolution", |a, x| vec![by_hand(a.flag("bytes"), x).unwrap_or_else(|e| e.raise())])
        .with("numbers", r#"{"bytes": false}"#, &inputs, &[Tensor::from([[6.0f64, 0.25]])])
        .with("bytes", r#"{"bytes": true}"#, &inputs, &[bytes])
}
