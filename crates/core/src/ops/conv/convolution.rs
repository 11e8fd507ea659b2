//! Convolution in one to three axes: three bilinear ops whose gradients are each other.
//!
//! With `y = x ⋆ w`: ∂/∂x is the spread of y's gradient (the transposed convolution), ∂/∂w the correlation of x with
//! it; each of these is linear in both of its arguments, and its gradients are again the other two.

use crate::op::require_one_float_type;
use crate::ops::prelude::*;
use crate::tensor::Buffer;
use crate::testing::Attributes;
use hadal_kernels::conv::{
    ConvShape, Finish, Weight, backward_data, backward_weight, forward, forward_with, pack, packing,
};
use smallvec::SmallVec;
use std::sync::Arc;

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

/// Everything about a convolution but the numbers of samples and channels.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    name: &'static str,
    /// Spatial axes.
    rank: usize,
    groups: usize,
    input: [usize; 3],
    kernel: [usize; 3],
    output: [usize; 3],
    stride: [usize; 3],
    pad_begin: [usize; 3],
    dilation: [usize; 3],
}

impl Geometry {
    fn new(name: &'static str, groups: usize, axes: &[Axis], input: &[usize], output: &[usize]) -> Geometry {
        // Missing axes come first and have size 1.
        let skip = 3 - axes.len();
        let last = |missing: usize, f: &dyn Fn(usize) -> usize| {
            std::array::from_fn(|i| if i < skip { missing } else { f(i - skip) })
        };
        Geometry {
            name,
            rank: axes.len(),
            groups,
            input: last(1, &|i| input[i]),
            kernel: last(1, &|i| axes[i].kernel),
            output: last(1, &|i| output[i]),
            stride: last(1, &|i| axes[i].stride),
            pad_begin: last(0, &|i| axes[i].pad.0),
            dilation: last(1, &|i| axes[i].dilation),
        }
    }

    /// `[first, second, sizes…]`
    fn shape(&self, first: usize, second: usize, sizes: &[usize; 3]) -> Shape {
        [first, second].into_iter().chain(sizes[3 - self.rank..].iter().copied()).collect()
    }

    fn sizes(&self, batch: usize, in_channels: usize, out_channels: usize) -> ConvShape {
        let Geometry { groups, input, kernel, output, stride, pad_begin, dilation, .. } = *self;
        ConvShape { batch, groups, in_channels, out_channels, input, kernel, output, stride, pad_begin, dilation }
    }

    /// Two for every element of the kernel at every position of the output, those over padding included.
    fn flops(&self, batch: usize, weight: &Shape) -> u64 {
        2 * (batch * self.output.iter().product::<usize>() * weight.elements()) as u64
    }

    /// For ONNX: the values of the axes that there are.
    fn last(&self, values: &[usize; 3]) -> Attribute {
        values[3 - self.rank..].into()
    }

    /// For ONNX: what a convolution and its adjoint have in common.
    fn attributes(&self, pads: &[usize]) -> Vec<(&'static str, Attribute)> {
        vec![
            ("kernel_shape", self.last(&self.kernel)),
            ("strides", self.last(&self.stride)),
            ("dilations", self.last(&self.dilation)),
            ("group", self.groups.into()),
            ("pads", pads.into()),
        ]
    }

    /// For ONNX: what the windows of axis `i` span, and what there is.
    fn span(&self, i: usize) -> (usize, usize) {
        let spanned = self.stride[i] * (self.output[i] - 1) + self.dilation[i] * (self.kernel[i] - 1) + 1;
        (spanned, self.input[i] + self.pad_begin[i])
    }

    /// For ONNX: zeros before every axis, then behind every axis as far as windows reach.
    fn pads(&self) -> Vec<usize> {
        let behind = |i: usize| self.span(i).0.saturating_sub(self.span(i).1);
        let axes = 3 - self.rank..3;
        axes.clone().map(|i| self.pad_begin[i]).chain(axes.map(behind)).collect()
    }

    fn convolve(self, x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let inputs: Vec<&Tensor> = [x, w].into_iter().chain(bias).collect();
        apply(Convolved(self), &inputs)
    }

    fn spread(self, y: &Tensor, w: &Tensor) -> Result<Tensor> {
        apply(ConvolutionByInput(self), &[y, w])
    }

    fn correlate(self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        apply(ConvolutionByWeight(self), &[x, y])
    }
}

/// `x [n, c, in…] ⋆ w [o, c / groups, kernel…] (+ bias [o]) → y [n, o, out…]`
#[derive(Debug)]
struct Convolved(Geometry);

impl Op for Convolved {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        one(x[0].with_shape(self.0.shape(x[0].shape[0], x[1].shape[0], &self.0.output)))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let sizes = self.0.sizes(x[0].shape()[0], x[0].shape()[1], x[1].shape()[0]);
        dispatch!(reals y[0].dtype(), T => {
            let bias = x.get(2).map(|b| b.contiguous::<T>());
            forward(&sizes, &x[0].contiguous::<T>(), &x[1].contiguous::<T>(), bias.as_deref(), y[0].slice::<T>())
        });
    }

    fn flops(&self, x: &[Meta], _: &[Meta]) -> u64 {
        self.0.flops(x[0].shape[0], &x[1].shape)
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn reads(&self) -> Reads {
        Reads { inputs: 0b11, outputs: 0 }
    }

    fn grad(&self, g: &Grad) -> Grads {
        let of = |result: Result<Tensor>| result.unwrap_or_else(|e| e.raise());
        let mut gradients = vec![
            g.when(0, || of(self.0.spread(&g.of(0), &g.input(1)))),
            g.when(1, || of(self.0.correlate(&g.input(0), &g.of(0)))),
        ];
        if g.inputs() == 3 {
            let [n, channels] = [g.of(0).size(0), g.of(0).size(1)];
            let positions: usize = g.of(0).shape()[2..].iter().product();
            gradients.push(g.when(2, || g.of(0).reshape([n, channels, positions]).sum([0, 2])));
        }
        gradients
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.op("Conv", &self.0.attributes(&self.0.pads()))
    }
}

impl Rewrites for Convolved {
    fn then_bounds(&self, bounds: (f64, f64)) -> Option<Arc<dyn Op>> {
        Some(Arc::new(Finished { geometry: self.0, bounds: Some(bounds), packed: None }))
    }

    fn then_channel_affine(&self, given: &[Option<Tensor>], scale: &Tensor, shift: &Tensor) -> Option<Vec<Tensor>> {
        let weight = given[1].as_ref()?;
        let per_output: Shape = [scale.elements()].into_iter().chain(vec![1; weight.rank() - 1]).collect();
        let weight = weight.mul(scale.reshape(per_output));
        let bias = match given.get(2) {
            Some(bias) => bias.as_ref()?.mul(scale).add(shift),
            None => shift.clone(),
        };
        Some(vec![weight, bias])
    }

    fn prepared(
        &self,
        inputs: &[Meta],
        given: &[Option<Tensor>],
        memo: &mut Memo,
    ) -> Option<(Arc<dyn Op>, Vec<Tensor>)> {
        Finished { geometry: self.0, bounds: None, packed: None }.prepared(inputs, given, memo)
    }

    fn on_bytes(&self, inputs: &[Meta], given: &[Option<Tensor>]) -> Option<OnBytes> {
        Finished { geometry: self.0, bounds: None, packed: None }.on_bytes(inputs, given)
    }
}

/// A convolution in a graph: [`Convolved`], whose results may be bounded, and whose weight may be packed.
#[derive(Debug)]
struct Finished {
    geometry: Geometry,
    bounds: Option<(f64, f64)>,
    /// The shape of a weight that is packed.
    packed: Option<Shape>,
}

impl Finished {
    fn weight<'a>(&'a self, given: &'a Shape) -> &'a Shape {
        self.packed.as_ref().unwrap_or(given)
    }
}

impl Op for Finished {
    fn name(&self) -> &'static str {
        self.geometry.name
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        let outputs = self.weight(&x[1].shape)[0];
        one(x[0].with_shape(self.geometry.shape(x[0].shape[0], outputs, &self.geometry.output)))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let sizes = self.geometry.sizes(x[0].shape()[0], x[0].shape()[1], self.weight(x[1].shape())[0]);
        dispatch!(reals y[0].dtype(), T => {
            let (weight, bias) = (x[1].contiguous::<T>(), x.get(2).map(|b| b.contiguous::<T>()));
            let weight = if self.packed.is_some() { Weight::Packed(&weight) } else { Weight::Plain(&weight) };
            let bounds = self.bounds.map(|(low, high)| (T::of(low), T::of(high)));
            let finish = Finish { bias: bias.as_deref(), bounds };
            forward_with(&sizes, &x[0].contiguous::<T>(), weight, finish, y[0].slice::<T>())
        });
    }

    fn flops(&self, x: &[Meta], _: &[Meta]) -> u64 {
        self.geometry.flops(x[0].shape[0], self.weight(&x[1].shape))
    }

    fn variant(&self) -> &'static str {
        if self.bounds.is_some() { "bounded" } else { "" }
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a graph is made after its gradients")
    }
}

impl Rewrites for Finished {
    fn prepared(
        &self,
        inputs: &[Meta],
        given: &[Option<Tensor>],
        memo: &mut Memo,
    ) -> Option<(Arc<dyn Op>, Vec<Tensor>)> {
        let weight = given[1].as_ref().filter(|_| self.packed.is_none())?;
        let sizes = self.geometry.sizes(inputs[0].shape[0], inputs[0].shape[1], weight.shape()[0]);
        let packing = dispatch!(reals weight.dtype(), T => packing::<T>(&sizes))?;
        let what = format!("{packing:?} for {:?}", self.geometry);
        let packed = memo.of(&what, &[Some(weight.clone())], || {
            let weight = weight.contiguous();
            dispatch!(reals weight.dtype(), T => {
                let mut packed = Buffer::recycled(packing.len * size_of::<T>());
                pack(&sizes, weight.as_slice::<T>().ok_or(())?, packed.slice_mut());
                Ok::<_, ()>(vec![Tensor::of_buffer(packed, Layout::contiguous(packing.len), T::DTYPE)])
            })
        });
        let others = given[2..].iter().cloned().collect::<Option<Vec<_>>>()?;
        let op = Finished { packed: Some(weight.shape().clone()), ..*self };
        Some((Arc::new(op), packed.ok()?.into_iter().chain(others).collect()))
    }

    fn on_bytes(&self, inputs: &[Meta], given: &[Option<Tensor>]) -> Option<OnBytes> {
        let weight = given[1].clone().filter(|weight| weight.dtype() == DType::F32 && self.packed.is_none())?;
        let bias = match given.get(2) {
            Some(bias) => Some(bias.clone()?),
            None => None,
        };
        let shape = self.geometry.sizes(inputs[0].shape[0], inputs[0].shape[1], weight.shape()[0]);
        Some(OnBytes::Products { shape, weight, bias, bounds: self.bounds })
    }
}

/// `y [n, o, out…], w [o, c / groups, kernel…] → x [n, c, in…]`: the transposed convolution.
#[derive(Debug)]
struct ConvolutionByInput(Geometry);

impl Op for ConvolutionByInput {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        one(x[0].with_shape(self.0.shape(x[0].shape[0], x[1].shape[1] * self.0.groups, &self.0.input)))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let sizes = self.0.sizes(x[0].shape()[0], y[0].shape()[1], x[0].shape()[1]);
        dispatch!(reals y[0].dtype(), T => {
            backward_data(&sizes, &x[0].contiguous::<T>(), &x[1].contiguous::<T>(), y[0].slice::<T>())
        });
    }

    fn flops(&self, x: &[Meta], _: &[Meta]) -> u64 {
        self.0.flops(x[0].shape[0], &x[1].shape)
    }

    fn variant(&self) -> &'static str {
        "by input"
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        let of = |result: Result<Tensor>| result.unwrap_or_else(|e| e.raise());
        vec![
            g.when(0, || of(self.0.convolve(&g.of(0), &g.input(1), None))),
            g.when(1, || of(self.0.correlate(&g.of(0), &g.input(0)))),
        ]
    }

    fn onnx(&self, x: &Writer) -> Result<Values> {
        // What windows leave of the input is added, what they reach beyond it is cut off.
        let left = |i: usize| self.0.span(i).1.saturating_sub(self.0.span(i).0);
        let extra: Vec<usize> = (3 - self.0.rank..3).map(left).collect();
        let mut attributes = self.0.attributes(&self.0.pads());
        attributes.push(("output_padding", extra[..].into()));
        x.op("ConvTranspose", &attributes)
    }
}

/// `x [n, c, in…], y [n, o, out…] → w [o, c / groups, kernel…]`: the gradient of a convolution by its kernel.
#[derive(Debug)]
struct ConvolutionByWeight(Geometry);

impl Op for ConvolutionByWeight {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        one(x[0].with_shape(self.0.shape(x[1].shape[1], x[0].shape[1] / self.0.groups, &self.0.kernel)))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let sizes = self.0.sizes(x[0].shape()[0], x[0].shape()[1], x[1].shape()[1]);
        dispatch!(reals y[0].dtype(), T => {
            backward_weight(&sizes, &x[0].contiguous::<T>(), &x[1].contiguous::<T>(), y[0].slice::<T>())
        });
    }

    fn flops(&self, x: &[Meta], y: &[Meta]) -> u64 {
        self.0.flops(x[0].shape[0], &y[0].shape)
    }

    fn variant(&self) -> &'static str {
        "by weight"
    }

    fn reads(&self) -> Reads {
        Reads::INPUTS
    }

    fn grad(&self, g: &Grad) -> Grads {
        let of = |result: Result<Tensor>| result.unwrap_or_else(|e| e.raise());
        vec![
            g.when(0, || of(self.0.spread(&g.input(1), &g.of(0)))),
            g.when(1, || of(self.0.convolve(&g.input(0), &g.of(0), None))),
        ]
    }
}

/// The axes of an input with `rank` spatial axes, for messages.
fn axes_of(rank: usize) -> &'static str {
    ["", "length", "height, width", "depth, height, width"][rank]
}

/// The input with a batch axis, and whether it came without.
pub(crate) fn batched(op: &'static str, x: &Tensor, rank: usize) -> Result<(Tensor, bool)> {
    match x.rank().checked_sub(rank) {
        Some(2) => Ok((x.clone(), false)),
        Some(1) => Ok((x.try_reshape(std::iter::once(1).chain(x.shape().iter().copied()).collect::<Shape>())?, true)),
        _ => {
            let (axes, shape) = (axes_of(rank), x.shape());
            let message =
                format!("needs an input [batch, channels, {axes}] (or without the batch axis), got shape {shape}");
            Err(Error::op(op, message))
        }
    }
}

/// Casts to what kernels compute in, applies `f`, and casts back.
fn computed(
    inputs: [&Tensor; 2],
    bias: Option<&Tensor>,
    f: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>,
) -> Result<Tensor> {
    let dtype = inputs[0].dtype();
    let wide = |t: &Tensor| if t.dtype() == dtype { t.try_to_dtype(dtype.compute()) } else { Ok(t.clone()) };
    let bias = bias.map(wide).transpose()?;
    f(&wide(inputs[0])?, &wide(inputs[1])?, bias.as_ref())?.try_to_dtype(dtype)
}

fn require_bias(op: &'static str, bias: Option<&Tensor>, channels: usize) -> Result<()> {
    match bias {
        Some(b) if *b.shape() != [channels] => {
            Err(Error::op(op, format!("needs a bias of shape [{channels}], got {}", b.shape())))
        }
        _ => Ok(()),
    }
}

fn without_batch(y: Tensor, unbatched: bool) -> Result<Tensor> {
    if unbatched { y.try_reshape(&y.shape()[1..]) } else { Ok(y) }
}

/// Convolution over `rank` axes: the checks, then the op.
pub(crate) fn convolution(
    op: &'static str,
    rank: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &Convolution,
) -> Result<Tensor> {
    let fail = |message: String| Err(Error::op(op, message));
    let (x, unbatched) = batched(op, x, rank)?;
    let (x_shape, w_shape, groups) = (x.shape(), weight.shape(), options.groups);
    if w_shape.rank() != rank + 2 {
        let axes = axes_of(rank);
        return fail(format!("needs a weight [out channels, in channels / groups, {axes}], got shape {w_shape}"));
    }
    let (out, channels) = (w_shape[0], w_shape[1] * groups);
    if groups == 0 || out % groups != 0 {
        return fail(format!("cannot split {out} output channels into {groups} groups (weight {w_shape})"));
    }
    if x_shape[1] != channels {
        let kernel = w_shape[2];
        let fix = if x_shape.last() == Some(&channels) {
            "; the channels seem to be last: permute them to axis 1".to_owned()
        } else if groups == 1 {
            format!("; use Conv{rank}d::new({}, {out}, {kernel})", x_shape[1])
        } else {
            String::new()
        };
        return fail(format!(
            "expects {channels} input channels (weight {w_shape}, groups {groups}), got {} (input {x_shape}){fix}",
            x_shape[1]
        ));
    }
    require_bias(op, bias, out)?;
    if options.output_padding.iter().any(|&n| n != 0) {
        return fail("takes no output padding: that belongs to transposed convolutions".into());
    }
    let axes = options.axes(op, &w_shape[2..])?;
    let mut output = Vec::with_capacity(rank);
    for (i, axis) in axes.iter().enumerate() {
        let padded = x_shape[2 + i] + axis.pad.0 + axis.pad.1;
        let Some(room) = padded.checked_sub(axis.reach() + 1) else {
            let spans = axis.reach() + 1;
            return fail(format!(
                "kernel {} spans {spans} elements, but axis {} of the input {x_shape} has {} and {} of padding",
                Shape::from(&w_shape[2..]),
                2 + i,
                x_shape[2 + i],
                axis.pad.0 + axis.pad.1
            ));
        };
        output.push(room / axis.stride + 1);
    }
    let geometry = Geometry::new(op, groups, &axes, &x_shape[2..], &output);
    let y = computed([&x, weight], bias, |x, w, b| geometry.convolve(x, w, b))?;
    without_batch(y, unbatched)
}

/// Transposed convolution over `rank` axes: the adjoint of the convolution with the same options.
pub(crate) fn transposed_convolution(
    op: &'static str,
    rank: usize,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &Convolution,
) -> Result<Tensor> {
    let fail = |message: String| Err(Error::op(op, message));
    let (x, unbatched) = batched(op, x, rank)?;
    let (x_shape, w_shape, groups) = (x.shape(), weight.shape(), options.groups);
    if w_shape.rank() != rank + 2 {
        let axes = axes_of(rank);
        return fail(format!("needs a weight [in channels, out channels / groups, {axes}], got shape {w_shape}"));
    }
    if x_shape[1] != w_shape[0] {
        return fail(format!(
            "expects {} input channels (weight {w_shape}), got {} (input {x_shape})",
            w_shape[0], x_shape[1]
        ));
    }
    if groups == 0 || w_shape[0] % groups != 0 {
        return fail(format!("cannot split {} input channels into {groups} groups (weight {w_shape})", w_shape[0]));
    }
    let channels = w_shape[1] * groups;
    require_bias(op, bias, channels)?;
    let axes = options.axes(op, &w_shape[2..])?;
    let extra = per_axis(op, "output padding", &options.output_padding, rank)?;
    let mut sizes = Vec::with_capacity(rank);
    for (i, (axis, &extra)) in axes.iter().zip(&extra).enumerate() {
        if extra > 0 && extra >= axis.stride.max(axis.dilation) {
            let limit = axis.stride.max(axis.dilation);
            return fail(format!("needs an output padding below stride or dilation ({limit}), got {extra}"));
        }
        let spread = x_shape[2 + i].saturating_sub(1) * axis.stride + axis.reach() + 1 + extra;
        let removed = axis.pad.0 + axis.pad.1;
        let Some(size) = spread.checked_sub(removed).filter(|&n| n > 0 && x_shape[2 + i] > 0) else {
            return fail(format!(
                "has nothing left on axis {}: {spread} elements less {removed} of padding (input {x_shape})",
                2 + i
            ));
        };
        sizes.push(size);
    }
    let geometry = Geometry::new(op, groups, &axes, &sizes, &x_shape[2..]);
    let y = computed([&x, weight], bias, |x, w, bias| {
        let y = geometry.spread(x, w)?;
        let Some(bias) = bias else { return Ok(y) };
        let mut shape = vec![1; rank + 1];
        shape[0] = channels;
        y.try_add(bias.try_reshape(shape)?)
    })?;
    without_batch(y, unbatched)
}

pub(crate) fn cases() -> Cases {
    // Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", figure 1.1.
    let x = Tensor::from([
        [3.0f64, 3.0, 2.0, 1.0, 0.0],
        [0.0, 0.0, 1.0, 3.0, 1.0],
        [3.0, 1.0, 2.0, 2.0, 3.0],
        [2.0, 0.0, 0.0, 2.0, 2.0],
        [2.0, 0.0, 0.0, 0.0, 1.0],
    ]);
    let w = Tensor::from([[0.0f64, 1.0, 2.0], [2.0, 2.0, 0.0], [0.0, 1.0, 2.0]]);
    let y = Tensor::from([[12.0f64, 12.0, 17.0], [10.0, 17.0, 19.0], [9.0, 6.0, 14.0]]);
    let y = y.reshape([1, 3, 3]);
    Cases::new("convolution", |_, x| vec![x[0].conv2d(&x[1], None, &Convolution::new())]).with(
        "figure_1_1",
        "{}",
        &[x.reshape([1, 5, 5]), w.reshape([1, 1, 3, 3])],
        &[y],
    )
}

#[cfg(test)]
mod tests {
    use super::{Convolution, Padding};
    use crate::Tensor;

    #[test]
    fn mistakes_are_explained() {
        let text = |x: &[usize], w: &[usize], options: &Convolution| {
            Tensor::zeros(x).try_conv2d(&Tensor::zeros(w), None, options).unwrap_err().to_string()
        };
        let plain = Convolution::new();
        assert_eq!(
            text(&[8, 1, 28, 28], &[16, 3, 5, 5], &plain),
            "conv2d expects 3 input channels (weight [16, 3, 5, 5], groups 1), got 1 (input [8, 1, 28, 28]); \
             use Conv2d::new(1, 16, 5)"
        );
        assert_eq!(
            text(&[8, 28, 28, 3], &[16, 3, 5, 5], &plain),
            "conv2d expects 3 input channels (weight [16, 3, 5, 5], groups 1), got 28 (input [8, 28, 28, 3]); \
             the channels seem to be last: permute them to axis 1"
        );
        assert_eq!(
            text(&[1, 1, 3, 3], &[1, 1, 5, 5], &plain),
            "conv2d kernel [5, 5] spans 5 elements, but axis 2 of the input [1, 1, 3, 3] has 3 and 0 of padding"
        );
        assert_eq!(
            text(&[28, 28], &[16, 1, 5, 5], &plain),
            "conv2d needs an input [batch, channels, height, width] (or without the batch axis), got shape [28, 28]"
        );
        assert_eq!(
            text(&[1, 1, 9, 9], &[1, 1, 3, 3], &Convolution::new().stride(2).padding(Padding::Same)),
            "conv2d with Padding::Same needs stride 1, got [2]; give the padding"
        );
        assert_eq!(
            text(&[1, 1, 9, 9], &[1, 1, 3, 3], &Convolution::new().stride([2, 2, 2])),
            "conv2d takes one stride or 2, got 3"
        );
    }
}
