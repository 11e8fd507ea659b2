//! Pooling over the last one to three axes: maxima with their places, and means; each op beside its adjoint.

use crate::compile::{self, Part};
use crate::op::apply_all;
use crate::ops::conv::convolution::{Padding, per_axis};
use crate::ops::prelude::*;
use crate::testing::Attributes;
use hadal_kernels::conv::ConvShape;
use hadal_kernels::pool::{self, Divisor, PoolShape, Windows};

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

    /// For ONNX: what the mean of each window with all its padding is multiplied by to have another divisor.
    fn factors(&self, divisor: Divisor) -> Vec<f64> {
        let Windows::Strided { kernel, stride, pad_begin, pad_end, .. } = self.windows else {
            return vec![1.0];
        };
        // Of a window, the elements of the padded input.
        let inside = |i: usize, k: usize| {
            let (first, end) = (k * stride[i], self.input[i] + pad_begin[i] + pad_end[i]);
            (first + kernel[i]).min(end) - first
        };
        let size = kernel.iter().product::<usize>() as f64;
        let [depth, height, width] = self.output;
        let each = (0..depth).flat_map(|d| (0..height).flat_map(move |h| (0..width).map(move |w| [d, h, w])));
        let factor = |at: [usize; 3]| match divisor {
            Divisor::Inside => 1.0,
            Divisor::Fixed(n) => size / n as f64,
            Divisor::Padded => size / (0..3).map(|i| inside(i, at[i])).product::<usize>() as f64,
        };
        each.map(factor).collect()
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

/// `x → y, index`: maxima, and their flat places in the plane.
#[derive(Debug)]
struct WindowMaxima(Geometry);

impl Op for WindowMaxima {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        let y = self.0.resized(&x[0], &self.0.output);
        Ok([y.clone(), y.with_dtype(DType::I32)].into_iter().collect())
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let shape = self.0.shape(self.0.planes(x[0].shape()));
        let [y, index] = y else { unreachable!("two outputs") };
        dispatch!(reals x[0].dtype(), T => {
            pool::max_pool::<T>(&shape, &x[0].contiguous(), y.slice(), index.slice())
        });
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0, outputs: 0b10 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(done(apply(PlaceMaxima(self.0), &[&g.of(0), &g.output(1)])))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let shape = &x.meta(0).shape;
        let planes = self.0.with_batch(x);
        let outputs = match self.0.attributes() {
            Some(attributes) => {
                let [y, at] = x.nodes("MaxPool", &[planes], &attributes, 2)[..] else { unreachable!("two outputs") };
                // Positions among all elements, of which those in the plane are wanted.
                let size: usize = self.0.input.iter().product();
                let at = x.node("Mod", &[at, x.constant(&Tensor::full((), size as i64))], &[]);
                vec![x.reshape(y, &x.output(0).shape), x.reshape(x.cast(at, DType::I32), &x.output(1).shape)]
            }
            None => vec![(shape.rank() - self.0.rank..shape.rank()).fold(x.input(0), |value, axis| {
                let windows = self.0.adaptive_windows(axis + 3 - shape.rank());
                let width = windows.iter().map(|window| window.len()).max().unwrap_or(0);
                // Shorter windows name their last element again.
                let place = |window: &std::ops::Range<usize>, k: usize| (window.start + k).min(window.end - 1) as i64;
                let places = windows.iter().flat_map(|window| (0..width).map(|k| place(window, k)).collect::<Vec<_>>());
                let places = x.constant(&Tensor::from_vec(places.collect(), [windows.len(), width]));
                let elements = x.node("Gather", &[value, places], &[("axis", axis.into())]);
                x.reduce("ReduceMax", elements, &[axis + 1], false)
            })],
        };
        Ok(outputs)
    }
}

impl Rewrites for PlaceMaxima {
    fn part(&self) -> Option<Part> {
        Some(Part::PlacesMaxima)
    }
}

impl Rewrites for WindowMaxima {
    fn part(&self) -> Option<Part> {
        Some(Part::PicksMaxima)
    }

    fn on_bytes(&self, x: &[Meta], _: &[Option<Tensor>]) -> Option<OnBytes> {
        let Windows::Strided { kernel, stride, pad_begin, dilation, .. } = self.0.windows else { return None };
        let [batch, channels] = x[0].shape[..x[0].shape.rank() - self.0.rank] else { return None };
        let (groups, in_channels, out_channels, input, output) = (1, channels, channels, self.0.input, self.0.output);
        Some(OnBytes::Maxima(ConvShape {
            batch,
            groups,
            in_channels,
            out_channels,
            input,
            kernel,
            output,
            stride,
            pad_begin,
            dilation,
        }))
    }
}

/// `y, index → x`: every element added at its place in a plane of zeros.
#[derive(Debug)]
struct PlaceMaxima(Geometry);

impl Op for PlaceMaxima {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(self.0.resized(&x[0], &self.0.input))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let shape = self.0.shape(self.0.planes(x[0].shape()));
        let index = x[1].contiguous::<i32>();
        dispatch!(reals x[0].dtype(), T => {
            pool::max_pool_backward::<T>(&shape, &x[0].contiguous(), &index, y[0].slice())
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || done(apply(PickMaxima(self.0), &[&g.of(0), &g.input(1)]))), None]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let (shape, area) = (&x.meta(0).shape, self.0.input.iter().product::<usize>());
        let outer = &shape[..shape.rank() - self.0.rank];
        let with = |last: usize| outer.iter().copied().chain([last]).collect::<Vec<_>>();
        let positions = shape[outer.len()..].iter().product();
        let index = x.cast(x.reshape(x.input(1), &with(positions)), DType::I64);
        let field = x.node("Expand", &[x.number(0), x.sizes(&with(area))], &[]);
        let attributes = [("axis", outer.len().into()), ("reduction", "add".into())];
        let placed = x.node("ScatterElements", &[field, index, x.reshape(x.input(0), &with(positions))], &attributes);
        Ok(vec![x.reshape(placed, &x.output(0).shape)])
    }
}

/// `x, index → y`: the elements at the given places of each plane; the adjoint of [`PlaceMaxima`].
#[derive(Debug)]
struct PickMaxima(Geometry);

impl Op for PickMaxima {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(self.0.resized(&x[0], &self.0.output))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (area, positions) = (self.0.input.iter().product::<usize>(), self.0.output.iter().product::<usize>());
        let index = x[1].contiguous::<i32>();
        dispatch!(reals x[0].dtype(), T => {
            let planes = x[0].contiguous::<T>();
            for (i, y) in y[0].slice::<T>().iter_mut().enumerate() {
                *y = planes[i / positions * area + index[i] as usize];
            }
        });
    }

    fn reads(&self) -> Reads {
        Reads::input(1)
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![g.when(0, || done(apply(PlaceMaxima(self.0), &[&g.of(0), &g.input(1)]))), None]
    }
}

/// `x → y`: means.
#[derive(Debug)]
struct WindowMeans(Geometry, Divisor);

impl Op for WindowMeans {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_float(self, &x[0])?;
        one(self.0.resized(&x[0], &self.0.output))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let shape = self.0.shape(self.0.planes(x[0].shape()));
        dispatch!(reals x[0].dtype(), T => {
            pool::avg_pool::<T>(&shape, self.1, &x[0].contiguous(), y[0].slice())
        });
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(done(apply(SpreadMeans(self.0, self.1), &[&g.of(0)])))]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        let shape = &x.meta(0).shape;
        if self.0.attributes().is_none() {
            let axes = shape.rank() - self.0.rank..shape.rank();
            return Ok(vec![axes.fold(x.input(0), |value, axis| {
                let i = axis + 3 - shape.rank();
                let (windows, size) = (self.0.adaptive_windows(i), self.0.input[i]);
                let weight = |window: &std::ops::Range<usize>, k: usize| {
                    if window.contains(&k) { 1.0 / window.len() as f64 } else { 0.0 }
                };
                let matrix = windows.iter().flat_map(|window| (0..size).map(|k| weight(window, k)).collect::<Vec<_>>());
                let matrix = Tensor::from_vec(matrix.collect(), [windows.len(), size]).to_dtype(x.meta(0).dtype);
                x.along(value, shape.rank(), axis, &matrix)
            })]);
        }
        let planes = self.0.with_batch(x);
        if self.0.windows == Windows::Adaptive && self.0.output == [1; 3] {
            return Ok(vec![x.reshape(x.node("GlobalAveragePool", &[planes], &[]), &x.output(0).shape)]);
        }
        let mut attributes = self.0.attributes().expect("checked above");
        attributes.retain(|(name, _)| *name != "dilations");
        attributes.push(("count_include_pad", (self.1 != Divisor::Inside).into()));
        let y = x.reshape(x.node("AveragePool", &[planes], &attributes), &x.output(0).shape);
        // The mean of a window with all its padding, brought to the divisor that is meant.
        let factors = self.0.factors(self.1);
        Ok(vec![match factors.iter().all(|&factor| factor == 1.0) {
            true => y,
            false => {
                let sizes = &self.0.output[3 - self.0.rank..];
                let factors = Tensor::from_vec(factors, sizes).to_dtype(x.meta(0).dtype);
                x.node("Mul", &[y, x.constant(&factors)], &[])
            }
        }])
    }
}

/// `y → x`: every element shared evenly by its window; the adjoint of [`WindowMeans`].
#[derive(Debug)]
struct SpreadMeans(Geometry, Divisor);

impl Op for SpreadMeans {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        one(self.0.resized(&x[0], &self.0.input))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let shape = self.0.shape(self.0.planes(x[0].shape()));
        dispatch!(reals x[0].dtype(), T => {
            pool::avg_pool_backward::<T>(&shape, self.1, &x[0].contiguous(), y[0].slice())
        });
    }

    fn grad(&self, g: &Grad) -> Grads {
        vec![Some(done(apply(WindowMeans(self.0, self.1), &[&g.of(0)])))]
    }
}

fn wide(x: &Tensor) -> Result<Tensor> {
    x.try_to_dtype(x.dtype().compute())
}

fn largest(x: &Tensor, geometry: Geometry) -> Result<(Tensor, Tensor)> {
    if i32::try_from(geometry.input.iter().product::<usize>()).is_err() {
        return Err(Error::op(
            geometry.name,
            format!("needs planes of less than 2³¹ elements, got shape {}", x.shape()),
        ));
    }
    let mut outputs = apply_all(WindowMaxima(geometry), &[&wide(x)?])?;
    let index = outputs.swap_remove(1);
    Ok((outputs.swap_remove(0).try_to_dtype(x.dtype())?, index))
}

/// Maxima over windows.
pub(crate) fn max_pool(op: &'static str, rank: usize, x: &Tensor, pooling: &Pooling) -> Result<Tensor> {
    Ok(largest(x, pooling.geometry(op, rank, x)?)?.0)
}

/// Maxima over windows that divide the input evenly into `sizes`.
pub(crate) fn adaptive_max_pool(op: &'static str, rank: usize, x: &Tensor, sizes: &Shape) -> Result<Tensor> {
    Ok(largest(x, adaptive(op, rank, x, sizes)?)?.0)
}

/// [`max_pool`], and the flat places of the maxima in their planes.
pub(crate) fn max_pool_with_indices(
    op: &'static str,
    rank: usize,
    x: &Tensor,
    pooling: &Pooling,
) -> Result<(Tensor, Tensor)> {
    let (y, index) = largest(x, pooling.geometry(op, rank, x)?)?;
    Ok((y, index.try_to_dtype(DType::I64)?))
}

/// [`adaptive_max_pool`], and the flat places of the maxima in their planes.
pub(crate) fn adaptive_max_pool_with_indices(
    op: &'static str,
    rank: usize,
    x: &Tensor,
    sizes: &Shape,
) -> Result<(Tensor, Tensor)> {
    let (y, index) = largest(x, adaptive(op, rank, x, sizes)?)?;
    Ok((y, index.try_to_dtype(DType::I64)?))
}

/// Means over windows.
pub(crate) fn avg_pool(op: &'static str, rank: usize, x: &Tensor, pooling: &Pooling) -> Result<Tensor> {
    if pooling.dilation.iter().any(|&d| d != 1) {
        return Err(Error::op(op, format!("takes no dilation, got {}", pooling.dilation)));
    }
    let geometry = pooling.geometry(op, rank, x)?;
    apply(WindowMeans(geometry, pooling.divisor), &[&wide(x)?])?.try_to_dtype(x.dtype())
}

/// Means over windows that divide the input evenly into `sizes`.
pub(crate) fn adaptive_avg_pool(op: &'static str, rank: usize, x: &Tensor, sizes: &Shape) -> Result<Tensor> {
    let geometry = adaptive(op, rank, x, sizes)?;
    apply(WindowMeans(geometry, Divisor::Inside), &[&wide(x)?])?.try_to_dtype(x.dtype())
}

/// The elements of a window over `rank` axes.
pub(crate) fn window_size(op: &'static str, rank: usize, pooling: &Pooling) -> Result<usize> {
    Ok(per_axis(op, "kernel size", &pooling.kernel, rank)?.iter().product())
}

/// Elements of `y` put at the places `index` of planes of zeros of the given sizes.
pub(crate) fn max_unpool(y: &Tensor, index: &Tensor, sizes: &Shape) -> Result<Tensor> {
    let fail = |message: String| Err(Error::op("max_unpool", message));
    let rank = sizes.rank();
    if !(1..=3).contains(&rank) {
        return fail(format!("takes sizes of one to three axes, got {sizes}"));
    }
    let output = spatial("max_unpool", rank, y)?;
    if index.shape() != y.shape() || index.dtype() != DType::I64 {
        let (wanted, found) = (y.shape(), index.shape());
        return fail(format!("needs i64 indices of shape {wanted}, got {} of shape {found}", index.dtype()));
    }
    let area = sizes.elements() as i64;
    let planes = sizes.clone();
    compile::effect("indices in range", &[index], Vec::new(), move |index| {
        let index = index[0].try_to_vec::<i64>()?;
        let Some(wrong) = index.iter().find(|i| !(0..area).contains(i)) else { return Ok(()) };
        let message = format!("got index {wrong}, but planes of {planes} have places 0 to {}", area - 1);
        Err(Error::op("max_unpool", message))
    })?;
    let (input, output) = (last_three(1, sizes), last_three(1, output));
    let geometry = Geometry { name: "max_unpool", rank, input, output, windows: Windows::Adaptive };
    apply(PlaceMaxima(geometry), &[&wide(y)?, &index.try_to_dtype(DType::I32)?])?.try_to_dtype(y.dtype())
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
