//! The convolution ops over images whose channels lie last, for graphs.

use super::geometry::Geometry;
use crate::compile::ChannelsLast;
use crate::op::require_one_float_type;
use crate::ops::prelude::*;
use hadal_kernels::conv::{
    ConvShape, Finish, Weight, backward_data_last, backward_weight_last, forward_last, pack, packing,
    suits_backward_data, suits_backward_weight, suits_forward,
};
use std::sync::Arc;

/// The form of a convolution whose results are bounded.
pub(super) fn forward(geometry: Geometry, bounds: Option<(f64, f64)>, x: &[Meta]) -> Option<ChannelsLast> {
    let sizes = geometry.sizes(x[0].shape[0], x[0].shape[1], x[1].shape[0]);
    let bounds = bounds.map(|(low, high)| (low as f32, high as f32));
    let images = vec![true, false, false];
    form(
        x,
        suits_forward(&sizes),
        Convolving { geometry, sizes, bounds, packed: false },
        images[..x.len()].to_vec(),
        true,
    )
}

/// The form of the op that gives the gradient of a convolution by its input.
pub(super) fn by_input(geometry: Geometry, x: &[Meta]) -> Option<ChannelsLast> {
    let sizes = geometry.sizes(x[0].shape[0], x[1].shape[1] * geometry.groups, x[0].shape[1]);
    form(x, suits_backward_data(&sizes), Spreading { geometry, sizes }, vec![true, false], true)
}

/// The form of the op that gives the gradient of a convolution by its weight.
pub(super) fn by_weight(geometry: Geometry, x: &[Meta]) -> Option<ChannelsLast> {
    let sizes = geometry.sizes(x[0].shape[0], x[0].shape[1], x[1].shape[1]);
    form(x, suits_backward_weight(&sizes), Correlating { geometry, sizes }, vec![true, true], false)
}

fn form(x: &[Meta], suits: bool, op: impl Op, inputs: Vec<bool>, output: bool) -> Option<ChannelsLast> {
    let suits = suits && x.iter().all(|x| x.dtype == DType::F32);
    suits.then(|| ChannelsLast { op: Arc::new(op), inputs, outputs: vec![output] })
}

impl Geometry {
    /// `[batch, sizes…, channels]`
    fn last_shape(&self, batch: usize, sizes: &[usize; 3], channels: usize) -> Shape {
        let sizes = sizes[3 - self.rank..].iter().copied();
        [batch].into_iter().chain(sizes).chain([channels]).collect()
    }

    fn weight(&self, sizes: &ConvShape) -> Shape {
        self.shape(sizes.out_channels, sizes.in_channels / sizes.groups, &self.kernel)
    }
}

/// `x [n, in…, c] ⋆ w [o, c / groups, kernel…] (+ bias [o]) → y [n, out…, o]`
#[derive(Debug)]
struct Convolving {
    geometry: Geometry,
    sizes: ConvShape,
    bounds: Option<(f32, f32)>,
    packed: bool,
}

impl Op for Convolving {
    fn name(&self) -> &'static str {
        self.geometry.name
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        one(x[0].with_shape(self.geometry.last_shape(self.sizes.batch, &self.sizes.output, self.sizes.out_channels)))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (weight, bias) = (x[1].contiguous::<f32>(), x.get(2).map(|b| b.contiguous::<f32>()));
        let weight = if self.packed { Weight::Packed(&weight) } else { Weight::Plain(&weight) };
        let finish = Finish { bias: bias.as_deref(), bounds: self.bounds };
        forward_last(&self.sizes, &x[0].contiguous::<f32>(), weight, finish, y[0].slice::<f32>());
    }

    fn flops(&self, _: &[Meta], _: &[Meta]) -> u64 {
        self.geometry.flops(self.sizes.batch, &self.geometry.weight(&self.sizes))
    }

    fn variant(&self) -> &'static str {
        if self.bounds.is_some() { "bounded, channels last" } else { "channels last" }
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a graph is made after its gradients")
    }
}

impl Rewrites for Convolving {
    fn prepared(&self, _: &[Meta], given: &[Option<Tensor>], memo: &mut Memo) -> Option<(Arc<dyn Op>, Vec<Tensor>)> {
        let packing = packing::<f32>(&self.sizes).filter(|_| !self.packed)?;
        let what = format!("{packing:?} for {:?}", self.geometry);
        let inputs = memo.packed::<f32>(&what, given, packing.len, |weight, to| pack(&self.sizes, weight, to))?;
        Some((Arc::new(Convolving { packed: true, ..*self }), inputs))
    }
}

/// `y [n, out…, o], w [o, c / groups, kernel…] → x [n, in…, c]`
#[derive(Debug)]
struct Spreading {
    geometry: Geometry,
    sizes: ConvShape,
}

impl Op for Spreading {
    fn name(&self) -> &'static str {
        self.geometry.name
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        one(x[0].with_shape(self.geometry.last_shape(self.sizes.batch, &self.sizes.input, self.sizes.in_channels)))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        backward_data_last(&self.sizes, &x[0].contiguous::<f32>(), &x[1].contiguous::<f32>(), y[0].slice::<f32>());
    }

    fn flops(&self, _: &[Meta], _: &[Meta]) -> u64 {
        self.geometry.flops(self.sizes.batch, &self.geometry.weight(&self.sizes))
    }

    fn variant(&self) -> &'static str {
        "by input, channels last"
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a graph is made after its gradients")
    }
}

/// `x [n, in…, c], y [n, out…, o] → w [o, c / groups, kernel…]`
#[derive(Debug)]
struct Correlating {
    geometry: Geometry,
    sizes: ConvShape,
}

impl Op for Correlating {
    fn name(&self) -> &'static str {
        self.geometry.name
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        one(x[0].with_shape(self.geometry.weight(&self.sizes)))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        backward_weight_last(&self.sizes, &x[0].contiguous::<f32>(), &x[1].contiguous::<f32>(), y[0].slice::<f32>());
    }

    fn flops(&self, _: &[Meta], _: &[Meta]) -> u64 {
        self.geometry.flops(self.sizes.batch, &self.geometry.weight(&self.sizes))
    }

    fn variant(&self) -> &'static str {
        "by weight, channels last"
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a graph is made after its gradients")
    }
}
