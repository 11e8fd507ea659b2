//! `Upsample`: more elements between elements.

use crate::Layer;
use hadal_core::ops::pool::interpolate::{Interpolation, Resize};
use hadal_core::{Module, Shape, Tag, Tensor};

/// Resizes the axes after `[batch, channels]`, to a size or by a factor.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::{Layer, layers::{Interpolation, Upsample}};
/// let images = Tensor::zeros([8, 3, 16, 16]);
/// let layer = Upsample::by(2.0).mode(Interpolation::Linear);
/// assert_eq!(*layer.forward(&images).shape(), [8, 3, 32, 32]);
/// ```
#[derive(Debug, Module)]
pub struct Upsample {
    #[module(config)]
    resize: Resize,
    tag: Tag,
}

impl Upsample {
    /// By this factor on every axis, each element repeated.
    pub fn by(factor: f64) -> Upsample {
        Upsample { resize: Resize::by(factor), tag: Tag::new("Upsample") }
    }

    /// To these sizes.
    pub fn to(sizes: impl Into<Shape>) -> Upsample {
        Upsample { resize: Resize::to(sizes), tag: Tag::new("Upsample") }
    }

    /// What the elements between are.
    pub fn mode(self, mode: Interpolation) -> Upsample {
        Upsample { resize: self.resize.mode(mode), ..self }
    }

    /// Keeps the centres of the corner elements in place.
    pub fn align_corners(self) -> Upsample {
        Upsample { resize: self.resize.align_corners(), ..self }
    }
}

impl Layer for Upsample {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_interpolate(&self.resize))
    }
}
