//! `Pad`: elements added around the last axes.

use crate::Layer;
use hadal_core::{Border, Module, Scalar, Tag, Tensor};

/// Adds elements around the last axes: PyTorch's `ZeroPad2d`, `ReflectionPad1d`, `ConstantPad3d` and so on.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::{Layer, layers::Pad};
/// let images = Tensor::zeros([8, 3, 32, 32]);
/// assert_eq!(*Pad::zeros([(1, 1), (2, 3)]).forward(&images).shape(), [8, 3, 34, 37]);
/// assert_eq!(*Pad::reflect([(2, 2), (2, 2)]).forward(&images).shape(), [8, 3, 36, 36]);
/// ```
#[derive(Debug, Module)]
pub struct Pad {
    #[module(config)]
    amounts: Vec<(isize, isize)>,
    #[module(config)]
    padding: Border,
    tag: Tag,
}

impl Pad {
    /// `amounts` are (before, after) of the last axes, in their order; negative ones cut off.
    pub fn new(amounts: impl Into<Vec<(isize, isize)>>, padding: Border) -> Pad {
        Pad { amounts: amounts.into(), padding, tag: Tag::new("Pad") }
    }

    /// With zeros.
    pub fn zeros(amounts: impl Into<Vec<(isize, isize)>>) -> Pad {
        Pad::new(amounts, Border::ZEROS)
    }

    /// With a number.
    pub fn constant(amounts: impl Into<Vec<(isize, isize)>>, value: impl Into<Scalar>) -> Pad {
        Pad::new(amounts, Border::Constant(value.into()))
    }

    /// Mirrored at the border elements.
    pub fn reflect(amounts: impl Into<Vec<(isize, isize)>>) -> Pad {
        Pad::new(amounts, Border::Reflect)
    }

    /// The border elements repeated.
    pub fn replicate(amounts: impl Into<Vec<(isize, isize)>>) -> Pad {
        Pad::new(amounts, Border::Replicate)
    }

    /// The other end continued.
    pub fn circular(amounts: impl Into<Vec<(isize, isize)>>) -> Pad {
        Pad::new(amounts, Border::Circular)
    }
}

impl Layer for Pad {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_pad(&self.amounts, self.padding))
    }
}
