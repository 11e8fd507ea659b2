//! The sizes of a convolution, and what follows from them: shapes, work, attributes of an ONNX node.

use super::options::Axis;
use crate::ops::prelude::*;
use hadal_kernels::conv::ConvShape;

/// Everything about a convolution but the numbers of samples and channels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub(super) name: &'static str,
    /// Spatial axes.
    pub(super) rank: usize,
    pub(super) groups: usize,
    pub(super) input: [usize; 3],
    pub(super) kernel: [usize; 3],
    pub(super) output: [usize; 3],
    pub(super) stride: [usize; 3],
    pub(super) pad_begin: [usize; 3],
    pub(super) dilation: [usize; 3],
}

impl Geometry {
    pub(super) fn new(name: &'static str, groups: usize, axes: &[Axis], input: &[usize], output: &[usize]) -> Geometry {
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
    pub(super) fn shape(&self, first: usize, second: usize, sizes: &[usize; 3]) -> Shape {
        [first, second].into_iter().chain(sizes[3 - self.rank..].iter().copied()).collect()
    }

    pub(super) fn sizes(&self, batch: usize, in_channels: usize, out_channels: usize) -> ConvShape {
        let Geometry { groups, input, kernel, output, stride, pad_begin, dilation, .. } = *self;
        ConvShape { batch, groups, in_channels, out_channels, input, kernel, output, stride, pad_begin, dilation }
    }

    /// Two for every element of the kernel at every position of the output, those over padding included.
    pub(super) fn flops(&self, batch: usize, weight: &Shape) -> u64 {
        2 * (batch * self.output.iter().product::<usize>() * weight.elements()) as u64
    }

    /// For ONNX: the values of the axes that there are.
    pub(super) fn last(&self, values: &[usize; 3]) -> Attribute {
        values[3 - self.rank..].into()
    }

    /// For ONNX: what a convolution and its adjoint have in common.
    pub(super) fn attributes(&self, pads: &[usize]) -> Vec<(&'static str, Attribute)> {
        vec![
            ("kernel_shape", self.last(&self.kernel)),
            ("strides", self.last(&self.stride)),
            ("dilations", self.last(&self.dilation)),
            ("group", self.groups.into()),
            ("pads", pads.into()),
        ]
    }

    /// For ONNX: what the windows of axis `i` span, and what there is.
    pub(super) fn span(&self, i: usize) -> (usize, usize) {
        let spanned = self.stride[i] * (self.output[i] - 1) + self.dilation[i] * (self.kernel[i] - 1) + 1;
        (spanned, self.input[i] + self.pad_begin[i])
    }

    /// For ONNX: zeros before every axis, then behind every axis as far as windows reach.
    pub(super) fn pads(&self) -> Vec<usize> {
        let behind = |i: usize| self.span(i).0.saturating_sub(self.span(i).1);
        let axes = 3 - self.rank..3;
        axes.clone().map(|i| self.pad_begin[i]).chain(axes.map(behind)).collect()
    }
}
