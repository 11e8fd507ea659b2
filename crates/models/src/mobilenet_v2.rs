//! MobileNetV2 (Sandler et al., CVPR 2018, arXiv 1801.04381) with torchvision's structure, keys and initialisation.

use hadal_core::{Module, Tensor};
use hadal_nn::init::{Fan, Nonlinearity, Normal, kaiming_normal, zeros};
use hadal_nn::layers::{BatchNorm2d, Conv2d, Dropout, Linear, Relu6};
use hadal_nn::{Layer, Sequential};

/// Expansion, output channels, blocks and stride of each stage: table 2 of the paper.
const STAGES: [[usize; 4]; 7] =
    [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]];

/// MobileNetV2 for images with this many channels and any size: 3,504,872 parameters for 3 channels, 1000 classes.
pub fn mobilenet_v2(channels: usize, classes: usize) -> MobileNetV2 {
    let mut features = Sequential::new().add(normalized(channels, 32, 3, 2, 1));
    let mut inputs = 32;
    for [expansion, outputs, blocks, stride] in STAGES {
        for i in 0..blocks {
            features = features.add(InvertedResidual::new(inputs, outputs, if i == 0 { stride } else { 1 }, expansion));
            inputs = outputs;
        }
    }
    let classifier = Linear::new(1280, classes).weight_init(Normal::new(0.0, 0.01)).bias_init(zeros());
    MobileNetV2 {
        features: features.add(normalized(inputs, 1280, 1, 1, 1)),
        classifier: Sequential::new().add(Dropout::new(0.2)).add(classifier),
    }
}

/// Inverted residual blocks and a linear classifier.
#[derive(Module)]
pub struct MobileNetV2 {
    features: Sequential,
    classifier: Sequential,
}

impl MobileNetV2 {
    /// The features before the classifier: `[batch, 1280]`.
    #[track_caller]
    pub fn features(&self, x: &Tensor) -> Tensor {
        self.features.forward(x).mean([2, 3])
    }
}

impl Layer for MobileNetV2 {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.classifier.forward(&self.features(x))
    }
}

fn convolution(inputs: usize, outputs: usize, kernel: usize, stride: usize, groups: usize) -> Conv2d {
    let init = kaiming_normal(Nonlinearity::Relu).fan(Fan::Out);
    let layer = Conv2d::new(inputs, outputs, kernel).stride(stride).padding(kernel / 2).groups(groups);
    layer.without_bias().weight_init(init)
}

/// A convolution, batch normalization and ReLU6.
fn normalized(inputs: usize, outputs: usize, kernel: usize, stride: usize, groups: usize) -> Sequential {
    let layer = Sequential::new().add(convolution(inputs, outputs, kernel, stride, groups));
    layer.add(BatchNorm2d::new(outputs)).add(Relu6)
}

/// To more channels by 1 × 1, 3 × 3 within each channel, and back by 1 × 1 without an activation; with a shortcut where
/// the shape stays.
#[derive(Module)]
struct InvertedResidual {
    conv: Sequential,
    #[module(config)]
    shortcut: bool,
}

impl InvertedResidual {
    fn new(inputs: usize, outputs: usize, stride: usize, expansion: usize) -> InvertedResidual {
        let inner = inputs * expansion;
        let conv = match expansion {
            1 => Sequential::new(),
            _ => Sequential::new().add(normalized(inputs, inner, 1, 1, 1)),
        };
        let conv = conv.add(normalized(inner, inner, 3, stride, inner));
        let conv = conv.add(convolution(inner, outputs, 1, 1, 1)).add(BatchNorm2d::new(outputs));
        InvertedResidual { conv, shortcut: stride == 1 && inputs == outputs }
    }
}

impl Layer for InvertedResidual {
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = self.conv.forward(x);
        if self.shortcut { x + y } else { y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{compare, mean_square};

    #[test]
    fn computes_what_torchvision_computes() {
        compare("mobilenet_v2", &mobilenet_v2(3, 10), mean_square);
    }
}
