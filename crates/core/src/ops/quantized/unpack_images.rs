//! `unpack_images`: bytes whose channels stand side by side, channel after channel again.

use crate::ops::prelude::*;
use crate::run::images::{require_packed, unpacked};
use hadal_kernels::quantized::unpack_images;
use std::sync::Arc;

/// `x u8 [batch, depth, height, width, pitch] → u8 or i8`, of a shape that begins with batch and channels; signed bytes are
/// 128 steps lower.
#[derive(Debug)]
struct UnpackImages {
    /// Batch, channels, positions.
    sizes: [usize; 3],
    meta: Meta,
}

/// The op that makes a value of this shape and type: `[batch, channels, positions]` in one way or another.
pub(crate) fn op(sizes: [usize; 3], meta: &Meta) -> Arc<dyn Op> {
    Arc::new(UnpackImages { sizes, meta: meta.clone() })
}

impl Op for UnpackImages {
    fn name(&self) -> &'static str {
        "unpack_images"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_packed(self.name(), self.sizes, &x[0])?;
        one(self.meta.clone())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let flip = if y[0].dtype() == DType::I8 { 0x80 } else { 0 };
        unpack_images(self.sizes, &x[0].contiguous(), flip, y[0].bits());
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    /// None: bytes have no slope.
    fn grad(&self, _: &Grad) -> Grads {
        vec![None]
    }
}

impl Rewrites for UnpackImages {
    fn on_bytes(&self, _: &[Meta], _: &[Option<Tensor>]) -> Option<OnBytes> {
        Some(OnBytes::Unpack(self.sizes))
    }
}

#[fallible]
impl Tensor {
    /// What [`Tensor::pack_images`] made of `channels` channels of unsigned bytes, as `[batch, channels, depth, height,
    /// width]`.
    pub fn unpack_images(&self, channels: usize) -> Result<Tensor> {
        let shape @ [batch, _, d, h, w] = unpacked("unpack_images", self.shape(), channels)?;
        let meta = Meta::new(shape, DType::U8);
        apply(UnpackImages { sizes: [batch, channels, d * h * w], meta }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    // Worked by hand; the last two bytes of each position stand behind the channels.
    Cases::new("unpack_images", |_, x| vec![x[0].unpack_images(2)]).with(
        "by_hand",
        "{}",
        &[Tensor::from([0u8, 4, 9, 9, 1, 5, 9, 9, 255, 6, 9, 9]).reshape([1, 1, 1, 3, 4])],
        &[Tensor::from([0u8, 1, 255, 4, 5, 6]).reshape([1, 2, 1, 1, 3])],
    )
}
