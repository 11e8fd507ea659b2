//! `pack_images`: bytes with the channels of a position side by side, as products of bytes read them.

use crate::ops::prelude::*;
use crate::run::images::{images, packed};
use hadal_kernels::quantized::{Border, pack_images};
use std::sync::Arc;

/// `x u8 or i8 [batch, channels, sizes…] → u8 [batch, depth, height, width, pitch]`, with a border; signed bytes become
/// unsigned ones, 128 steps higher.
#[derive(Debug)]
struct PackImages {
    border: Border,
    /// The byte around the images and behind their channels.
    zero: u8,
}

/// The op for images of these sizes.
pub(crate) fn op(border: Border, zero: u8) -> Arc<dyn Op> {
    Arc::new(PackImages { border, zero })
}

impl Op for PackImages {
    fn name(&self) -> &'static str {
        "pack_images"
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(packed(self.name(), &self.border, &x[0], &[DType::U8, DType::I8])?)
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let flip = if x[0].dtype() == DType::I8 { 0x80 } else { 0 };
        pack_images(&self.border, &x[0].contiguous_bits::<u8>(), flip, self.zero, y[0].slice());
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    /// None: bytes have no slope.
    fn grad(&self, _: &Grad) -> Grads {
        vec![None]
    }
}

impl Rewrites for PackImages {
    fn on_bytes(&self, _: &[Meta], _: &[Option<Tensor>]) -> Option<OnBytes> {
        Some(OnBytes::Pack(self.border))
    }
}

#[fallible]
impl Tensor {
    /// Bytes `[batch, channels, …]` (`u8` or `i8`) with up to three spatial axes as `u8 [batch, depth, height, width,
    /// channels]`, signed ones 128 steps higher.
    ///
    /// Axes that are missing have size 1, and the channels are filled up with `zero` to a multiple of four.
    pub fn pack_images(&self, zero: u8) -> Result<Tensor> {
        apply(PackImages { border: images("pack_images", self.shape())?, zero }, &[self])
    }
}

pub(crate) fn cases() -> Cases {
    // Worked by hand: two channels, whose bytes alternate, before two zero points.
    Cases::new("pack_images", |_, x| vec![x[0].pack_images(7)])
        .with(
            "unsigned",
            "{}",
            &[Tensor::from([[[0u8, 1, 255], [4, 5, 6]]])],
            &[Tensor::from([0u8, 4, 7, 7, 1, 5, 7, 7, 255, 6, 7, 7]).reshape([1, 1, 1, 3, 4])],
        )
        .with(
            "signed",
            "{}",
            &[Tensor::from([[-128i8, 0, 127]])],
            &[Tensor::from([0u8, 128, 255, 7]).reshape([1, 1, 1, 1, 4])],
        )
}
