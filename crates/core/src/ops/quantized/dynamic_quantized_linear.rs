//! `dynamic_quantized_linear`: a dense layer whose weight is bytes, and whose input becomes bytes row by row.

use crate::ops::prelude::*;
use crate::run::bytes::{ByteScale, prepare};
use hadal_kernels::conv::ConvShape;
use hadal_kernels::quantized::{Finish, InputScale, QuantizedOutput, convolve, packed_len, pitch, quantize_slice};
use hadal_kernels::threads::for_chunks_of_all;
use std::sync::Arc;

/// `x f32 […, in], packed weight i8, sums i32, scales f32, bias f32 → y f32 […, out]`
#[derive(Debug)]
struct DynamicLinear {
    features: usize,
    outputs: usize,
}

/// The op for a weight `[out, in]`; its inputs behind the first are made by `run::bytes::prepare`.
pub(crate) fn op(weight: &Tensor) -> Arc<dyn Op> {
    Arc::new(DynamicLinear { features: weight.shape()[1], outputs: weight.shape()[0] })
}

/// Rows that are worth a task.
const ROWS: usize = 8;

impl DynamicLinear {
    fn shape(&self, rows: usize) -> ConvShape {
        dense(rows, self.features, self.outputs)
    }
}

/// A dense layer as a convolution of images of one position.
pub(crate) fn dense(batch: usize, in_channels: usize, out_channels: usize) -> ConvShape {
    let one = [1; 3];
    let (groups, input, kernel, output, stride, dilation, pad_begin) = (1, one, one, one, one, one, [0; 3]);
    ConvShape { batch, groups, in_channels, out_channels, input, kernel, output, stride, pad_begin, dilation }
}

impl Op for DynamicLinear {
    fn name(&self) -> &'static str {
        "dynamic_quantized_linear"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        let fail = |message: String| Err(Error::op(self.name(), message));
        let Some((&found, outer)) = x[0].shape.split_last().filter(|_| x[0].dtype == DType::F32) else {
            return fail(format!("needs f32 features, got {} {}", x[0].dtype, x[0].shape));
        };
        if found != self.features || x[1].shape.elements() != packed_len(&self.shape(1)) {
            return fail(format!("expects {} features, got {found} (input {})", self.features, x[0].shape));
        }
        one(x[0].with_shape(outer.iter().copied().chain([self.outputs]).collect::<Shape>()))
    }

    /// A row has the range of its own elements, so that it does not depend on the rows beside it.
    fn run(&self, x: &[Input], y: &mut [Output]) {
        let values = x[0].contiguous::<f32>();
        let rows = values.len() / self.features.max(1);
        let (features, pitch) = (self.features, pitch(self.features));
        let (mut scales, mut zeros) = (vec![0.0f32; rows], vec![0u8; rows]);
        let mut bytes = vec![0u8; rows * pitch];
        let mut lines: Vec<_> = scales.iter_mut().zip(&mut zeros).zip(bytes.chunks_mut(pitch.max(1))).collect();
        for_chunks_of_all([&mut lines[..]], ROWS, |range, [lines]| {
            for (row, ((scale, zero), bytes)) in range.zip(lines) {
                let values = &values[row * features..(row + 1) * features];
                let (low, high) = values.iter().fold((0.0f32, 0.0f32), |(low, high), &x| (low.min(x), high.max(x)));
                let of = ByteScale::of_range(low, high);
                quantize_slice(values, of.scale, of.zero, &mut bytes[..features]);
                (**scale, **zero) = (of.scale, of.zero);
            }
        });
        let (weight, sums, bias) = (x[3].contiguous::<f32>(), x[2].contiguous::<i32>(), x[4].contiguous::<f32>());
        let finish = Finish {
            x: InputScale::Each(&scales, &zeros),
            weight: &weight,
            sums: &sums,
            whole_bias: None,
            bias: Some(&bias),
            residual: None,
            bounds: None,
        };
        let to = QuantizedOutput::Numbers(y[0].slice());
        convolve(&self.shape(rows), &bytes, &x[1].contiguous(), finish, to);
    }

    fn flops(&self, _: &[Meta], y: &[Meta]) -> u64 {
        2 * (y[0].shape.elements() * self.features) as u64
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![None; g.inputs()]
    }
}

/// The weights are bytes as they are, since the largest of each row is 127.
fn by_hand(x: &Tensor) -> Result<Tensor> {
    let weight = Tensor::from([[1.0f32, 2.0, 127.0], [-127.0, 0.0, 5.0]]);
    let linear = DynamicLinear { features: 3, outputs: 2 };
    let others = prepare(&linear.shape(1), None, &weight, Some(&Tensor::from([0.5f32, -0.5])))?;
    let x = x.to_dtype(DType::F32);
    let inputs: Vec<&Tensor> = std::iter::once(&x).chain(&others).collect();
    apply(linear, &inputs)
}

pub(crate) fn cases() -> Cases {
    // The rows are bytes as they are, too: they span 255 steps of 1.
    Cases::new("dynamic_quantized_linear", |_, x| vec![by_hand(&x[0]).unwrap_or_else(|e| e.raise())]).with(
        "by_hand",
        "{}",
        &[Tensor::from([[0.0f64, 255.0, 1.0], [-255.0, -1.0, 0.0]])],
        &[Tensor::from([[637.5f64, 4.5], [-256.5, 32384.5]])],
    )
}
