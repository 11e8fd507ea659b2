//! `quantize_images`: images of numbers as images of bytes, with the channels of a position side by side.

use crate::ops::prelude::*;
use crate::run::bytes::ByteScale;
use crate::run::images::{images, packed};
use hadal_kernels::quantized::{Border, quantize_images};
use std::sync::Arc;

/// `x f32 [batch, channels, sizes…] → u8 [batch, depth, height, width, pitch]`, with a border of zero points.
#[derive(Debug)]
struct QuantizeImages {
    border: Border,
    scale: ByteScale,
}

/// The op for images of these sizes.
pub(crate) fn op(border: Border, scale: ByteScale) -> Arc<dyn Op> {
    Arc::new(QuantizeImages { border, scale })
}

impl Op for QuantizeImages {
    fn name(&self) -> &'static str {
        "quantize_images"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(packed(self.name(), &self.border, &x[0], &[DType::F32])?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        quantize_images(&self.border, &x[0].contiguous(), self.scale.scale, self.scale.zero, y[0].slice());
    }

    /// None: what steps make has no slope.
    fn grad(&self, _: &Grad) -> Grads {
        vec![None]
    }
}

#[fallible]
impl Tensor {
    /// Images `[batch, channels, …]` with up to three spatial axes, in `f32`, as bytes
    /// `[batch, depth, height, width, channels]`: `round(x / scale) + zero`, ties to even, at least 0 and at most 255.
    ///
    /// Axes that are missing have size 1, and the channels are filled up with zero points to a multiple of four. The form is
    /// that of products of bytes (see `compile::Int8`).
    pub fn quantize_images(&self, scale: f32, zero: u8) -> Result<Tensor> {
        const NAME: &str = "quantize_images";
        if scale.is_nan() || scale <= 0.0 {
            return Err(Error::op(NAME, format!("needs a positive scale, got {scale}")));
        }
        let scale = ByteScale { scale, zero };
        apply(QuantizeImages { border: images(NAME, self.shape())?, scale }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    // Worked by hand: round(x / 0.5) + 3 of two channels, whose bytes alternate, before two zero points.
    Cases::new("quantize_images", |_, x| vec![x[0].to_dtype(DType::F32).quantize_images(0.5, 3)]).with(
        "by_hand",
        "{}",
        &[Tensor::from([[[0.0f64, 1.0, -9.0], [0.25, 0.75, 999.0]]])],
        &[Tensor::from([3u8, 3, 3, 3, 5, 5, 3, 3, 0, 255, 3, 3]).reshape([1, 1, 1, 3, 4])],
    )
}
