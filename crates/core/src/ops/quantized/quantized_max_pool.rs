//! `quantized_max_pool`: the largest byte of each window of images of bytes.

use crate::ops::prelude::*;
use hadal_kernels::conv::ConvShape;
use hadal_kernels::quantized::{max_pool, pitch, x_len};
use std::sync::Arc;

/// `u8 [batch, depth, height, width, pitch] → u8`, of the windows that a convolution of this shape sees.
#[derive(Debug)]
struct MaximaOfBytes(ConvShape);

/// The op for images of these sizes.
pub(crate) fn op(shape: ConvShape) -> Arc<dyn Op> {
    Arc::new(MaximaOfBytes(shape))
}

impl Op for MaximaOfBytes {
    fn name(&self) -> &'static str {
        "quantized_max_pool"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        if x[0].dtype != DType::U8 || x[0].shape.elements() != x_len(&self.0) {
            let (shape, dtype) = (&x[0].shape, x[0].dtype);
            return Err(Error::op(self.name(), format!("needs u8 images of {:?}, got {dtype} {shape}", self.0.input)));
        }
        let [d, h, w] = self.0.output;
        one(Meta::new([self.0.batch, d, h, w, pitch(self.0.out_channels)], DType::U8))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        max_pool(&self.0, &x[0].contiguous(), y[0].slice());
    }

    fn grad(&self, _: &Grad) -> Grads {
        vec![None]
    }
}

pub(crate) fn cases() -> Cases {
    // Worked by hand: windows of 2 with stride 1 over the positions 1, 7, 5 of the first of four channels.
    Cases::new("quantized_max_pool", |_, x| {
        let shape = ConvShape {
            batch: 1,
            groups: 1,
            in_channels: 4,
            out_channels: 4,
            input: [1, 1, 3],
            kernel: [1, 1, 2],
            output: [1, 1, 2],
            stride: [1; 3],
            pad_begin: [0; 3],
            dilation: [1; 3],
        };
        let y = apply(MaximaOfBytes(shape), &[&x[0].to_dtype(DType::U8)]);
        vec![y.unwrap_or_else(|e| e.raise())]
    })
    .with(
        "by_hand",
        "{}",
        &[Tensor::from([1u8, 0, 3, 0, 7, 0, 2, 0, 5, 0, 1, 0]).reshape([1, 1, 1, 3, 4])],
        &[Tensor::from([7u8, 0, 3, 0, 7, 0, 2, 0]).reshape([1, 1, 1, 2, 4])],
    )
}
