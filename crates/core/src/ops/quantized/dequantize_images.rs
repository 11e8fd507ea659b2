//! `dequantize_images`: images of bytes as images of numbers.

use crate::ops::prelude::*;
use crate::run::bytes::ByteScale;
use crate::run::images::{require_packed, unpacked};
use hadal_kernels::quantized::dequantize_images;
use std::sync::Arc;

/// `x u8 [batch, depth, height, width, pitch] → f32`, of a shape that begins with batch and channels.
#[derive(Debug)]
struct DequantizeImages {
    /// Batch, channels, positions.
    sizes: [usize; 3],
    shape: Shape,
    scale: ByteScale,
}

/// The op that makes a value of this shape: `[batch, channels, positions]` in one way or another.
pub(crate) fn op(sizes: [usize; 3], shape: &Shape, scale: ByteScale) -> Arc<dyn Op> {
    Arc::new(DequantizeImages { sizes, shape: shape.clone(), scale })
}

impl Op for DequantizeImages {
    fn name(&self) -> &'static str {
        "dequantize_images"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_packed(self.name(), self.sizes, &x[0])?;
        one(Meta::new(&self.shape, DType::F32))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        dequantize_images(self.sizes, &x[0].contiguous(), self.scale.scale, self.scale.zero, y[0].slice());
    }

    fn grad(&self, _: &Grad) -> Grads {
        vec![None]
    }
}

#[fallible]
impl Tensor {
    /// What [`Tensor::quantize_images`] made of images with so many channels, as numbers `scale · (x − zero)` in `f32`:
    /// `[batch, channels, depth, height, width]`.
    pub fn dequantize_images(&self, channels: usize, scale: f32, zero: u8) -> Result<Tensor> {
        let shape @ [batch, _, d, h, w] = unpacked("dequantize_images", self.shape(), channels)?;
        let (sizes, shape) = ([batch, channels, d * h * w], Shape::from(shape));
        apply(DequantizeImages { sizes, shape, scale: ByteScale { scale, zero } }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    // Worked by hand: 0.5 · (x − 3); the last two bytes of each position stand behind the channels.
    Cases::new("dequantize_images", |_, x| vec![x[0].to_dtype(DType::U8).dequantize_images(2, 0.5, 3)]).with(
        "by_hand",
        "{}",
        &[Tensor::from([3u8, 3, 9, 9, 5, 5, 9, 9, 0, 255, 9, 9]).reshape([1, 1, 1, 3, 4])],
        &[Tensor::from([0.0f32, 1.0, -1.5, 0.0, 1.0, 126.0]).reshape([1, 2, 1, 1, 3])],
    )
}
