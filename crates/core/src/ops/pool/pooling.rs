//! Pooling over the last one to three axes: which elements are joined. What is made of them: `maxima`, `means`.

use crate::ops::conv::convolution::{Padding, per_axis};
use crate::ops::prelude::*;
use crate::testing::Attributes;
use hadal_kernels::pool::{Divisor, PoolShape, Windows};

mod maxima;
mod means;

pub(crate) use maxima::{
    adaptive_max_pool, adaptive_max_pool_with_indices, max_pool, max_pool_with_indices, max_unpool,
};
pub(crate) use means::{adaptive_avg_pool, avg_pool};

/// Which elements a pooling joins. Each size is one number for all axes or one per axis.
///
/// ```
/// # use hadal_core::{Pooling, Tensor};
/// let x = Tensor::ones([1, 8, 32, 32]);
/// assert_eq!(*x.max_pool2d(&Pooling::new(2)).shape(), [1, 8, 16, 16]);
/// assert_eq!(*x.avg_pool2d(&Pooling::new(3).stride(2).padding(1)).shape(), [1, 8, 16, 16]);
/// ```
#[derive(Clone, Debug)]
pub struct Pooling {
    /// Elements of a window.
    pub kernel: Shape,
    /// Steps between windows; the kernel's size by default.
    pub stride: Option<Shape>,
    /// Elements around the input: −∞ for maxima, 0 for means. At most half a window.
    pub padding: Padding,
    /// Steps between the elements of a window, for maxima; 1 by default.
    pub dilation: Shape,
    /// Whether a last window may reach beyond the end (`ceil_mode` of PyTorch).
    pub partial: bool,
    /// What a mean is divided by: by default the window's size with padding.
    pub divisor: Divisor,
}

impl Pooling {
    /// Windows of this size side by side, without padding.
    pub fn new(kernel: impl Into<Shape>) -> Pooling {
        Pooling {
            kernel: kernel.into(),
            stride: None,
            padding: Padding::Valid,
            dilation: Shape::from(1),
            partial: false,
            divisor: Divisor::Padded,
        }
    }

    /// With this stride.
    pub fn stride(mut self, stride: impl Into<Shape>) -> Pooling {
        self.stride = Some(stride.into());
        self
    }

    /// With this padding.
    pub fn padding(mut self, padding: impl Into<Padding>) -> Pooling {
        self.padding = padding.into();
        self
    }

    /// With this dilation.
    pub fn dilation(mut self, dilation: impl Into<Shape>) -> Pooling {
        self.dilation = dilation.into();
        self
    }

    /// With a last window that may reach beyond the end.
    pub fn partial_windows(mut self) -> Pooling {
        self.partial = true;
        self
    }

    /// With another divisor of means.
    pub fn divisor(mut self, divisor: Divisor) -> Pooling {
        self.divisor = divisor;
        self
    }

    /// The options that a recorded case names.
    pub(crate) fn recorded(a: &Attributes) -> Pooling {
        let mut pooling = Pooling::new(a.sizes("kernel_size"));
        pooling.stride = a.get("stride").map(|_| a.sizes("stride").into());
        if a.get("padding").is_some() {
            pooling.padding = Padding::from(&a.sizes("padding")[..]);
        }
        if a.get("dilation").is_some() {
            pooling.dilation = a.sizes("dilation").into();
        }
        pooling.partial = a.flag("ceil_mode");
        pooling.divisor = match a.get("divisor_override") {
            Some(n) => Divisor::Fixed(n.as_u64().expect("a divisor") as usize),
            None if a.flag_or("count_include_pad", true) => Divisor::Padded,
            None => Divisor::Inside,
        };
        pooling
    }

    fn geometry(&self, op: &'static str, rank: usize, x: &Tensor) -> Result<Geometry> {
        let fail = |message: String| Err(Error::op(op, message));
        let input = spatial(op, rank, x)?;
        let stride = self.stride.as_ref().unwrap_or(&self.kernel);
        for (name, given) in [("kernel size", &self.kernel), ("stride", stride), ("dilation", &self.dilation)] {
            if given.contains(&0) {
                return fail(format!("needs a {name} of at least 1, got {given}"));
            }
        }
        let kernel = per_axis(op, "kernel size", &self.kernel, rank)?;
        let stride = per_axis(op, "stride", stride, rank)?;
        let dilation = per_axis(op, "dilation", &self.dilation, rank)?;
        let padding = match &self.padding {
            Padding::Valid => vec![(0, 0); rank],
            Padding::Explicit(pairs) => per_axis(op, "padding", pairs, rank)?,
            Padding::Same => {
                return fail("takes explicit padding: what Padding::Same adds depends on the stride".into());
            }
        };
        let mut output = Vec::with_capacity(rank);
        for i in 0..rank {
            let (before, after) = padding[i];
            let reach = dilation[i] * (kernel[i] - 1) + 1;
            if before.max(after) > reach / 2 {
                let most = reach / 2;
                return fail(format!("needs padding of at most half a window ({most}), got {}", before.max(after)));
            }
            let Some(room) = (input[i] + before + after).checked_sub(reach) else {
                return fail(format!(
                    "window of {reach} elements does not fit axis {} of the input {}, padded by {}",
                    x.rank() - rank + i,
                    x.shape(),
                    before + after
                ));
            };
            let windows = if self.partial { room.div_ceil(stride[i]) } else { room / stride[i] } + 1;
            // A window that would begin in the padding after the input is dropped.
            let beyond = self.partial && (windows - 1) * stride[i] >= input[i] + before;
            output.push(windows - beyond as usize);
        }
        let three = |missing: usize, given: &[usize]| last_three(missing, given);
        let windows = Windows::Strided {
            kernel: three(1, &kernel),
            stride: three(1, &stride),
            pad_begin: three(0, &padding.iter().map(|p| p.0).collect::<Vec<_>>()),
            pad_end: three(0, &padding.iter().map(|p| p.1).collect::<Vec<_>>()),
            dilation: three(1, &dilation),
        };
        Ok(Geometry { name: op, rank, input: three(1, input), output: three(1, &output), windows })
    }
}

/// Values for three axes, of which the first may be missing.
fn last_three(missing: usize, given: &[usize]) -> [usize; 3] {
    std::array::from_fn(|i| (i + given.len()).checked_sub(3).map_or(missing, |i| given[i]))
}

/// The last `rank` sizes of an input with a channel axis and perhaps a batch axis before them.
fn spatial<'a>(op: &'static str, rank: usize, x: &'a Tensor) -> Result<&'a [usize]> {
    if x.rank() == rank + 1 || x.rank() == rank + 2 {
        return Ok(&x.shape()[x.rank() - rank..]);
    }
    let axes = ["", "length", "height, width", "depth, height, width"][rank];
    let message =
        format!("needs an input [batch, channels, {axes}] (or without the batch axis), got shape {}", x.shape());
    Err(Error::op(op, message))
}

/// The windows of an adaptive pooling to `sizes`.
fn adaptive(op: &'static str, rank: usize, x: &Tensor, sizes: &Shape) -> Result<Geometry> {
    let input = spatial(op, rank, x)?;
    let output = per_axis(op, "output size", sizes, rank)?;
    if input.contains(&0) {
        return Err(Error::op(op, format!("needs at least one element per axis, got shape {}", x.shape())));
    }
    let (input, output) = (last_three(1, input), last_three(1, &output));
    Ok(Geometry { name: op, rank, input, output, windows: Windows::Adaptive })
}

/// A pooling of planes, whatever their number.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    name: &'static str,
    /// Spatial axes.
    rank: usize,
    input: [usize; 3],
    output: [usize; 3],
    windows: Windows,
}

impl Geometry {
    fn shape(&self, planes: usize) -> PoolShape {
        PoolShape { planes, input: self.input, output: self.output, windows: self.windows }
    }

    /// For ONNX: input 0 with a batch axis.
    fn with_batch(&self, x: &Writer) -> Value {
        let shape = &x.meta(0).shape;
        match shape.rank() - self.rank {
            1 => x.reshape(x.input(0), &[&[1], &shape[..]].concat()),
            _ => x.input(0),
        }
    }

    /// For ONNX: the windows as attributes, with padding behind the input as far as they reach; `None` for adaptive
    /// pooling into windows that differ.
    fn attributes(&self) -> Option<Vec<(&'static str, Attribute)>> {
        let (input, output) = (self.input, self.output);
        let (kernel, stride, pad_begin, dilation) = match self.windows {
            Windows::Strided { kernel, stride, pad_begin, dilation, .. } => (kernel, stride, pad_begin, dilation),
            Windows::Adaptive => {
                if (0..3).any(|i| output[i] == 0 || input[i] % output[i] != 0) {
                    return None;
                }
                let size = std::array::from_fn(|i| input[i] / output[i]);
                (size, size, [0; 3], [1; 3])
            }
        };
        let axes = 3 - self.rank..3;
        let span = |i: usize| stride[i] * (output[i] - 1) + dilation[i] * (kernel[i] - 1) + 1;
        let behind = axes.clone().map(|i| span(i).saturating_sub(input[i] + pad_begin[i]));
        let pads: Vec<usize> = pad_begin[axes.clone()].iter().copied().chain(behind).collect();
        let last = |values: [usize; 3]| values[axes.clone()].into();
        Some(vec![
            ("kernel_shape", last(kernel)),
            ("strides", last(stride)),
            ("dilations", last(dilation)),
            ("pads", pads[..].into()),
        ])
    }

    /// The windows of adaptive pooling along axis `i` of three.
    fn adaptive_windows(&self, i: usize) -> Vec<std::ops::Range<usize>> {
        let (size, n) = (self.input[i], self.output[i]);
        (0..n).map(|k| k * size / n..((k + 1) * size).div_ceil(n)).collect()
    }

    fn planes(&self, shape: &Shape) -> usize {
        shape[..shape.rank() - self.rank].iter().product()
    }

    /// `x` with other spatial sizes.
    fn resized(&self, x: &Meta, sizes: &[usize; 3]) -> Meta {
        let outer = x.shape[..x.shape.rank() - self.rank].iter();
        x.with_shape(outer.chain(&sizes[3 - self.rank..]).copied().collect::<Shape>())
    }
}

fn done(result: Result<Tensor>) -> Tensor {
    result.unwrap_or_else(|e| e.raise())
}

fn wide(x: &Tensor) -> Result<Tensor> {
    x.try_to_dtype(x.dtype().compute())
}

/// The elements of a window over `rank` axes.
pub(crate) fn window_size(op: &'static str, rank: usize, pooling: &Pooling) -> Result<usize> {
    Ok(per_axis(op, "kernel size", &pooling.kernel, rank)?.iter().product())
}

pub(crate) fn cases() -> Cases {
    // Worked by hand: windows of 2 with stride 1 over 1, 3, 2.
    Cases::new("pooling", |_, x| vec![x[0].max_pool1d(&Pooling::new(2).stride(1))]).with(
        "by_hand",
        "{}",
        &[Tensor::from([[1.0f64, 3.0, 2.0]])],
        &[Tensor::from([[3.0f64, 3.0]])],
    )
}

#[cfg(test)]
mod tests {
    use super::Pooling;
    use crate::Tensor;

    #[test]
    fn mistakes_are_explained() {
        let text = |x: &[usize], p: &Pooling| Tensor::zeros(x).try_max_pool2d(p).unwrap_err().to_string();
        assert_eq!(
            text(&[8, 8], &Pooling::new(2)),
            "max_pool2d needs an input [batch, channels, height, width] (or without the batch axis), got shape [8, 8]"
        );
        assert_eq!(
            text(&[1, 1, 1, 8], &Pooling::new(2)),
            "max_pool2d window of 2 elements does not fit axis 2 of the input [1, 1, 1, 8], padded by 0"
        );
        assert_eq!(
            text(&[1, 1, 8, 8], &Pooling::new(2).padding(2)),
            "max_pool2d needs padding of at most half a window (1), got 2"
        );
        assert_eq!(text(&[1, 1, 8, 8], &Pooling::new(2).stride(0)), "max_pool2d needs a stride of at least 1, got [0]");
    }
}
