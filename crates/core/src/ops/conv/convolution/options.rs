//! How a convolution's kernel moves, as a caller writes it, and what that means for each axis.

use crate::ops::prelude::*;
use crate::testing::Attributes;
use smallvec::SmallVec;

/// The zeros around the input of a convolution.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Padding {
    /// None.
    #[default]
    Valid,
    /// As many as keep the size, for stride 1; an odd one stands at the end, as in PyTorch.
    Same,
    /// So many before and after, for every axis, or one pair for all.
    Explicit(SmallVec<[(usize, usize); 3]>),
}

impl From<usize> for Padding {
    fn from(both: usize) -> Padding {
        Padding::from([both])
    }
}

impl<const N: usize> From<[usize; N]> for Padding {
    fn from(sizes: [usize; N]) -> Padding {
        Padding::from(&sizes[..])
    }
}

impl From<&[usize]> for Padding {
    fn from(sizes: &[usize]) -> Padding {
        Padding::Explicit(sizes.iter().map(|&n| (n, n)).collect())
    }
}

impl<const N: usize> From<[(usize, usize); N]> for Padding {
    fn from(pairs: [(usize, usize); N]) -> Padding {
        Padding::Explicit(pairs.into_iter().collect())
    }
}

/// How a convolution's kernel moves: strides, padding, dilation, groups. Each is one number for all axes or one per
/// axis.
///
/// ```
/// # use hadal_core::{Convolution, Tensor};
/// let (x, w) = (Tensor::ones([1, 3, 32, 32]), Tensor::ones([8, 3, 3, 3]));
/// let y = x.conv2d(&w, None, &Convolution::new().stride(2).padding(1));
/// assert_eq!(*y.shape(), [1, 8, 16, 16]);
/// ```
#[derive(Clone, Debug)]
pub struct Convolution {
    /// Steps between windows; 1 by default.
    pub stride: Shape,
    /// Zeros around the input; none by default. A transposed convolution removes as many from its output.
    pub padding: Padding,
    /// Steps between the kernel's elements; 1 by default.
    pub dilation: Shape,
    /// Independent groups of channels; 1 by default, the number of channels for a depthwise convolution.
    pub groups: usize,
    /// Elements added at the end of a transposed convolution's output, which its stride leaves undetermined; 0 by
    /// default, and not for a plain convolution.
    pub output_padding: Shape,
}

impl Default for Convolution {
    fn default() -> Convolution {
        let one = || Shape::from(1);
        Convolution {
            stride: one(),
            padding: Padding::Valid,
            dilation: one(),
            groups: 1,
            output_padding: Shape::from(0),
        }
    }
}

impl Convolution {
    /// Stride 1, no padding, no dilation, one group.
    pub fn new() -> Convolution {
        Convolution::default()
    }

    /// With this stride.
    pub fn stride(mut self, stride: impl Into<Shape>) -> Convolution {
        self.stride = stride.into();
        self
    }

    /// With this padding.
    pub fn padding(mut self, padding: impl Into<Padding>) -> Convolution {
        self.padding = padding.into();
        self
    }

    /// With this dilation.
    pub fn dilation(mut self, dilation: impl Into<Shape>) -> Convolution {
        self.dilation = dilation.into();
        self
    }

    /// With so many groups.
    pub fn groups(mut self, groups: usize) -> Convolution {
        self.groups = groups;
        self
    }

    /// With so many elements added at the end of a transposed convolution's output.
    pub fn output_padding(mut self, output_padding: impl Into<Shape>) -> Convolution {
        self.output_padding = output_padding.into();
        self
    }

    /// The options that a recorded case names.
    pub(crate) fn recorded(a: &Attributes) -> Convolution {
        let padding = match a.get("padding").and_then(|p| p.as_str()) {
            Some("same") => Padding::Same,
            Some(_) => Padding::Valid,
            None => Padding::from(&a.sizes("padding")[..]),
        };
        let options = Convolution::new().stride(a.sizes("stride")).padding(padding).dilation(a.sizes("dilation"));
        let output_padding = if a.get("output_padding").is_some() { a.sizes("output_padding") } else { vec![0] };
        options.groups(a.integer("groups") as usize).output_padding(output_padding)
    }

    /// Stride, padding and dilation of each of `rank` axes.
    pub(crate) fn axes(&self, op: &'static str, kernel: &[usize]) -> Result<Vec<Axis>> {
        let rank = kernel.len();
        let fail = |message: String| Err(Error::op(op, message));
        for (name, given) in [("stride", &self.stride[..]), ("dilation", &self.dilation), ("kernel size", kernel)] {
            if given.contains(&0) {
                return fail(format!("needs a {name} of at least 1, got {given:?}"));
            }
        }
        let stride = per_axis(op, "stride", &self.stride, rank)?;
        let dilation = per_axis(op, "dilation", &self.dilation, rank)?;
        let padding = match &self.padding {
            Padding::Valid => vec![(0, 0); rank],
            Padding::Same => {
                if stride.iter().any(|&s| s != 1) {
                    return fail(format!("with Padding::Same needs stride 1, got {}; give the padding", self.stride));
                }
                let around = |(k, d): (&usize, &usize)| d * k.saturating_sub(1);
                kernel.iter().zip(&dilation).map(around).map(|n| (n / 2, n - n / 2)).collect()
            }
            Padding::Explicit(pairs) => per_axis(op, "padding", pairs, rank)?,
        };
        let axes = stride.into_iter().zip(padding).zip(dilation).zip(kernel);
        Ok(axes.map(|(((stride, pad), dilation), &kernel)| Axis { stride, pad, dilation, kernel }).collect())
    }
}

/// One axis of a convolution.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) stride: usize,
    pub(crate) pad: (usize, usize),
    pub(crate) dilation: usize,
    pub(crate) kernel: usize,
}

impl Axis {
    /// The elements that the kernel spans, less one.
    pub(crate) fn reach(&self) -> usize {
        self.dilation * self.kernel.saturating_sub(1)
    }
}

/// One value per axis, from one for each or one for all.
pub(crate) fn per_axis<T: Copy>(op: &'static str, name: &str, given: &[T], rank: usize) -> Result<Vec<T>> {
    match given.len() {
        1 => Ok(vec![given[0]; rank]),
        n if n == rank => Ok(given.to_vec()),
        n => Err(Error::op(op, format!("takes one {name} or {rank}, got {n}"))),
    }
}
