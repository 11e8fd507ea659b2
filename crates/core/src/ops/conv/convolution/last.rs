//! The convolution ops over images whose channels lie last, for graphs.

use super::geometry::Geometry;
use crate::compile::ChannelsLast;
use crate::op::require_one_float_type;
use crate::ops::prelude::*;
use hadal_kernels::conv::{
    ConvShape, Finish, Weight, backward_data_last, backward_weight_first, backward_weight_last, forward_first,
    forward_last, pack_last, packing_last, suits_backward_data, suits_backward_weight, suits_first, suits_first_weight,
    suits_forward,
};
use std::sync::Arc;

/// The form of a convolution whose results are bounded.
pub(super) fn forward(geometry: Geometry, bounds: Option<(f64, f64)>, x: &[Meta]) -> Option<ChannelsLast> {
    let sizes = geometry.sizes(x[0].shape[0], x[0].shape[1], x[1].shape[0]);
    let bounds = bounds.map(|(low, high)| (low as f32, high as f32));
    let first = suits_first(&sizes);
    let op = ConvolvedLast { geometry, sizes, pass: Pass::Forward { bounds, packed: false }, first };
    let images = [!first, false, false];
    form(x, suits_forward(&sizes) || first, op, images[..x.len()].to_vec(), true)
}

/// The form of the op that gives the gradient of a convolution by its input.
pub(super) fn by_input(geometry: Geometry, x: &[Meta]) -> Option<ChannelsLast> {
    let sizes = geometry.sizes(x[0].shape[0], x[1].shape[1] * geometry.groups, x[0].shape[1]);
    let op = ConvolvedLast { geometry, sizes, pass: Pass::ByInput, first: false };
    form(x, suits_backward_data(&sizes), op, vec![true, false], true)
}

/// The form of the op that gives the gradient of a convolution by its weight.
pub(super) fn by_weight(geometry: Geometry, x: &[Meta]) -> Option<ChannelsLast> {
    let sizes = geometry.sizes(x[0].shape[0], x[0].shape[1], x[1].shape[1]);
    let first = suits_first_weight(&sizes);
    let op = ConvolvedLast { geometry, sizes, pass: Pass::ByWeight, first };
    form(x, suits_backward_weight(&sizes) || first, op, vec![!first, true], false)
}

fn form(x: &[Meta], suits: bool, op: impl Op, inputs: Vec<bool>, output: bool) -> Option<ChannelsLast> {
    let suits = suits && x.iter().all(|x| x.dtype == DType::F32);
    suits.then(|| ChannelsLast { op: Arc::new(op), inputs, outputs: vec![output] })
}

/// One of the three ops, for images of these sizes.
#[derive(Debug)]
struct ConvolvedLast {
    geometry: Geometry,
    sizes: ConvShape,
    pass: Pass,
    /// Channels come first in `x`, for there are few.
    first: bool,
}

#[derive(Debug)]
enum Pass {
    /// `x [n, in…, c] ⋆ w [o, c / groups, kernel…] (+ bias [o]) → y [n, out…, o]`
    Forward { bounds: Option<(f32, f32)>, packed: bool },
    /// `y [n, out…, o], w [o, c / groups, kernel…] → x [n, in…, c]`
    ByInput,
    /// `x [n, in…, c], y [n, out…, o] → w [o, c / groups, kernel…]`
    ByWeight,
}

impl ConvolvedLast {
    /// `[batch, sizes…, channels]`
    fn image(&self, sizes: &[usize; 3], channels: usize) -> Shape {
        let sizes = sizes[3 - self.geometry.rank..].iter().copied();
        [self.sizes.batch].into_iter().chain(sizes).chain([channels]).collect()
    }

    fn weight(&self) -> Shape {
        let ConvShape { in_channels, out_channels, groups, .. } = self.sizes;
        self.geometry.shape(out_channels, in_channels / groups, &self.geometry.kernel)
    }
}

impl Op for ConvolvedLast {
    fn name(&self) -> &'static str {
        self.geometry.name
    }

    fn kind(&self) -> Kind {
        Kind::Contraction
    }

    fn infer(&self, x: &[Meta]) -> Result<Metas> {
        require_one_float_type(self, x)?;
        one(x[0].with_shape(match self.pass {
            Pass::Forward { .. } => self.image(&self.sizes.output, self.sizes.out_channels),
            Pass::ByInput => self.image(&self.sizes.input, self.sizes.in_channels),
            Pass::ByWeight => self.weight(),
        }))
    }

    fn run(&self, x: &[Input], y: &mut [Output]) {
        let (sizes, y) = (&self.sizes, y[0].slice::<f32>());
        let (a, b) = (x[0].contiguous::<f32>(), x[1].contiguous::<f32>());
        match self.pass {
            Pass::Forward { bounds, packed } => {
                let bias = x.get(2).map(|b| b.contiguous::<f32>());
                let finish = Finish { bias: bias.as_deref(), bounds };
                if self.first {
                    return forward_first(sizes, &a, &b, finish, y);
                }
                let weight = if packed { Weight::Packed(&b) } else { Weight::Plain(&b) };
                forward_last(sizes, &a, weight, finish, y);
            }
            Pass::ByInput => backward_data_last(sizes, &a, &b, y),
            Pass::ByWeight if self.first => backward_weight_first(sizes, &a, &b, y),
            Pass::ByWeight => backward_weight_last(sizes, &a, &b, y),
        }
    }

    fn flops(&self, _: &[Meta], _: &[Meta]) -> u64 {
        self.geometry.flops(self.sizes.batch, &self.weight())
    }

    fn variant(&self) -> &'static str {
        match self.pass {
            Pass::Forward { bounds: None, .. } => "channels last",
            Pass::Forward { .. } => "bounded, channels last",
            Pass::ByInput => "by input, channels last",
            Pass::ByWeight => "by weight, channels last",
        }
    }

    fn rewrites(&self) -> &dyn Rewrites {
        self
    }

    fn grad(&self, _: &Grad) -> Grads {
        unreachable!("a graph is made after its gradients")
    }
}

impl Rewrites for ConvolvedLast {
    fn prepared(&self, _: &[Meta], given: &[Option<Tensor>], memo: &mut Memo) -> Option<(Arc<dyn Op>, Vec<Tensor>)> {
        let Pass::Forward { bounds, packed: false } = self.pass else { return None };
        let packing = packing_last(&self.sizes).filter(|_| !self.first)?;
        let what = format!("{packing:?} for {:?}", self.geometry);
        let inputs = memo.packed::<f32>(&what, given, packing.len, |weight, to| pack_last(&self.sizes, weight, to))?;
        Some((Arc::new(ConvolvedLast { pass: Pass::Forward { bounds, packed: true }, ..*self }), inputs))
    }
}
