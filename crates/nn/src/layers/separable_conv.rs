//! `SeparableConv2d`: a convolution per channel, then one across channels (Chollet, CVPR 2017, arXiv:1610.02357).

use super::Conv2d;
use crate::Layer;
use hadal_core::{Module, Padding, Shape, Tensor};

/// A depthwise convolution followed by a pointwise one: `[batch, in, height, width]` to `[batch, out, …]` with
/// `in · kernel + in · out` weights instead of their product. Only the pointwise part has a bias, as in Keras.
#[derive(Debug, Module)]
pub struct SeparableConv2d {
    /// One filter per input channel.
    pub depthwise: Conv2d,
    /// 1 × 1, across channels.
    pub pointwise: Conv2d,
}

impl SeparableConv2d {
    /// From `inputs` channels to `outputs`, with kernels of this size.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, kernel: impl Into<Shape>) -> SeparableConv2d {
        SeparableConv2d {
            depthwise: Conv2d::depthwise(inputs, kernel).without_bias(),
            pointwise: Conv2d::new(inputs, outputs, 1),
        }
    }

    /// Steps between windows.
    pub fn stride(self, stride: impl Into<Shape>) -> SeparableConv2d {
        SeparableConv2d { depthwise: self.depthwise.stride(stride), ..self }
    }

    /// What is added around the input.
    pub fn padding(self, padding: impl Into<Padding>) -> SeparableConv2d {
        SeparableConv2d { depthwise: self.depthwise.padding(padding), ..self }
    }

    /// Without a bias.
    pub fn without_bias(self) -> SeparableConv2d {
        SeparableConv2d { pointwise: self.pointwise.without_bias(), ..self }
    }
}

impl Layer for SeparableConv2d {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.pointwise.forward(&self.depthwise.forward(x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal_core::ModuleExt;

    #[test]
    fn has_few_parameters() {
        let layer = SeparableConv2d::new(32, 64, 3).padding(1);
        assert_eq!(layer.parameter_count(), 32 * 9 + 32 * 64 + 64);
        assert_eq!(*layer.forward(&Tensor::zeros([2, 32, 5, 7])).shape(), [2, 64, 5, 7]);
    }
}
