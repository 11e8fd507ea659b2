//! Convolution in one to three axes: three bilinear ops whose gradients are each other.
//!
//! With `y = x ⋆ w`: ∂/∂x is the spread of y's gradient (the transposed convolution), ∂/∂w the correlation of x with
//! it; each of these is linear in both of its arguments, and its gradients are again the other two.
//!
//! What leads to an op has parts of its own: `options` (what a caller writes), `checks` (whether it fits),
//! `geometry`; `last` has the ops for images whose channels lie last.

use crate::compile::ChannelsLast;
use crate::op::require_one_float_type;
use crate::ops::prelude::*;
use geometry::Geometry;
use hadal_kernels::conv::{Finish, Weight, backward_data, backward_weight, forward, forward_with, pack, packing};
use std::sync::Arc;

mod checks;
mod geometry;
mod last;
mod options;

pub(crate) use checks::{convolution, transposed_convolution};
pub(crate) use options::per_axis;
pub use options::{Convolution, Padding};

/// The ops as functions of tensors, for the checks and for each other's gradients.
impl Geometry {
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

    fn then_channel_affine(&self, given: &[Option<Tensor>], scale: &Tensor, shift: &Tensor) -> Option<[Tensor; 2]> {
        let per_output: Shape = [scale.elements()].into_iter().chain(vec![1; self.0.rank + 1]).collect();
        let bias = match given.get(2) {
            Some(bias) => bias.as_ref()?.mul(scale).add(shift),
            None => shift.clone(),
        };
        Some([scale.reshape(per_output), bias])
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

    fn channels_last(&self, x: &[Meta]) -> Option<ChannelsLast> {
        last::forward(self.0, None, x)
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
        let inputs = dispatch!(reals weight.dtype(), T => {
            let packing = packing::<T>(&sizes)?;
            let what = format!("{packing:?} for {:?}", self.geometry);
            memo.packed::<T>(&what, given, packing.len, |weight, to| pack(&sizes, weight, to))
        });
        let op = Finished { packed: Some(weight.shape().clone()), ..*self };
        Some((Arc::new(op), inputs?))
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

    fn channels_last(&self, x: &[Meta]) -> Option<ChannelsLast> {
        self.packed.is_none().then(|| last::forward(self.geometry, self.bounds, x))?
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

    fn rewrites(&self) -> &dyn Rewrites {
        self
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

impl Rewrites for ConvolutionByInput {
    fn channels_last(&self, x: &[Meta]) -> Option<ChannelsLast> {
        last::by_input(self.0, x)
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

    fn rewrites(&self) -> &dyn Rewrites {
        self
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

impl Rewrites for ConvolutionByWeight {
    fn channels_last(&self, x: &[Meta]) -> Option<ChannelsLast> {
        last::by_weight(self.0, x)
    }
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
