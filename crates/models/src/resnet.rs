//! Residual networks (He et al. 2016, arXiv 1512.03385) with torchvision's structure, keys and initialisation.

use hadal_core::{Module, Tensor};
use hadal_nn::init::{Fan, Nonlinearity, kaiming_normal};
use hadal_nn::layers::{BatchNorm2d, Conv2d, Linear, MaxPool2d};
use hadal_nn::{Layer, Sequential};

/// ResNet-18 for images with this many channels and any size: 11,689,512 parameters for 3 channels, 1000 classes.
pub fn resnet18(channels: usize, classes: usize) -> ResNet {
    ResNet::new(channels, [2, 2, 2, 2], Kind::Basic, classes)
}

/// ResNet-34: 21,797,672 parameters for 3 channels, 1000 classes.
pub fn resnet34(channels: usize, classes: usize) -> ResNet {
    ResNet::new(channels, [3, 4, 6, 3], Kind::Basic, classes)
}

/// ResNet-50: 25,557,032 parameters for 3 channels, 1000 classes.
pub fn resnet50(channels: usize, classes: usize) -> ResNet {
    ResNet::new(channels, [3, 4, 6, 3], Kind::Bottleneck, classes)
}

/// ResNet-101: 44,549,160 parameters for 3 channels, 1000 classes.
pub fn resnet101(channels: usize, classes: usize) -> ResNet {
    ResNet::new(channels, [3, 4, 23, 3], Kind::Bottleneck, classes)
}

/// ResNet-152: 60,192,808 parameters for 3 channels, 1000 classes.
pub fn resnet152(channels: usize, classes: usize) -> ResNet {
    ResNet::new(channels, [3, 8, 36, 3], Kind::Bottleneck, classes)
}

/// What a network is built of.
#[derive(Clone, Copy)]
enum Kind {
    Basic,
    Bottleneck,
}

impl Kind {
    /// Outputs of a block per channel inside.
    fn expansion(self) -> usize {
        match self {
            Kind::Basic => 1,
            Kind::Bottleneck => 4,
        }
    }

    fn block(self, inputs: usize, channels: usize, stride: usize) -> Box<dyn Layer> {
        match self {
            Kind::Basic => Box::new(BasicBlock::new(inputs, channels, stride)),
            Kind::Bottleneck => Box::new(Bottleneck::new(inputs, channels, stride)),
        }
    }
}

/// A residual network.
#[derive(Module)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    maxpool: MaxPool2d,
    layer1: Vec<Box<dyn Layer>>,
    layer2: Vec<Box<dyn Layer>>,
    layer3: Vec<Box<dyn Layer>>,
    layer4: Vec<Box<dyn Layer>>,
    fc: Linear,
}

impl ResNet {
    fn new(channels: usize, depths: [usize; 4], kind: Kind, classes: usize) -> ResNet {
        let expansion = kind.expansion();
        let stage = |inputs: usize, channels: usize, depth: usize, stride: usize| -> Vec<Box<dyn Layer>> {
            (0..depth)
                .map(|i| match i {
                    0 => kind.block(inputs, channels, stride),
                    _ => kind.block(channels * expansion, channels, 1),
                })
                .collect()
        };
        ResNet {
            conv1: convolution(channels, 64, 7, 2),
            bn1: BatchNorm2d::new(64),
            maxpool: MaxPool2d::new(3).stride(2).padding(1),
            layer1: stage(64, 64, depths[0], 1),
            layer2: stage(64 * expansion, 128, depths[1], 2),
            layer3: stage(128 * expansion, 256, depths[2], 2),
            layer4: stage(256 * expansion, 512, depths[3], 2),
            fc: Linear::new(512 * expansion, classes),
        }
    }

    /// The features before the classifier: `[batch, 512]`, of bottlenecks `[batch, 2048]`.
    #[track_caller]
    pub fn features(&self, x: &Tensor) -> Tensor {
        let mut x = self.maxpool.forward(&self.bn1.forward(&self.conv1.forward(x)).relu());
        for block in [&self.layer1, &self.layer2, &self.layer3, &self.layer4].into_iter().flatten() {
            x = block.forward(&x);
        }
        x.mean([2, 3])
    }
}

impl Layer for ResNet {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.fc.forward(&self.features(x))
    }
}

/// A convolution that keeps the size but for its stride, drawn for ReLU behind it.
fn convolution(inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Conv2d {
    let init = kaiming_normal(Nonlinearity::Relu).fan(Fan::Out);
    Conv2d::new(inputs, outputs, kernel).stride(stride).padding(kernel / 2).without_bias().weight_init(init)
}

/// Where a block changes the shape: a convolution 1 × 1 and a normalization around it.
fn projection(inputs: usize, outputs: usize, stride: usize) -> Option<Sequential> {
    let make = || Sequential::new().add(convolution(inputs, outputs, 1, stride)).add(BatchNorm2d::new(outputs));
    (stride != 1 || inputs != outputs).then(make)
}

fn shortcut(downsample: &Option<Sequential>, x: &Tensor) -> Tensor {
    downsample.as_ref().map_or_else(|| x.clone(), |projection| projection.forward(x))
}

/// Two convolutions 3 × 3 and a shortcut.
#[derive(Module)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    downsample: Option<Sequential>,
}

impl BasicBlock {
    fn new(inputs: usize, channels: usize, stride: usize) -> BasicBlock {
        BasicBlock {
            conv1: convolution(inputs, channels, 3, stride),
            bn1: BatchNorm2d::new(channels),
            conv2: convolution(channels, channels, 3, 1),
            bn2: BatchNorm2d::new(channels),
            downsample: projection(inputs, channels, stride),
        }
    }
}

impl Layer for BasicBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = self.bn1.forward(&self.conv1.forward(x)).relu();
        (self.bn2.forward(&self.conv2.forward(&y)) + shortcut(&self.downsample, x)).relu()
    }
}

/// A convolution 3 × 3 between two 1 × 1, of which the last has four times the channels; the stride is that of the one in
/// the middle, as in torchvision ("ResNet v1.5").
#[derive(Module)]
struct Bottleneck {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    conv3: Conv2d,
    bn3: BatchNorm2d,
    downsample: Option<Sequential>,
}

impl Bottleneck {
    fn new(inputs: usize, channels: usize, stride: usize) -> Bottleneck {
        Bottleneck {
            conv1: convolution(inputs, channels, 1, 1),
            bn1: BatchNorm2d::new(channels),
            conv2: convolution(channels, channels, 3, stride),
            bn2: BatchNorm2d::new(channels),
            conv3: convolution(channels, 4 * channels, 1, 1),
            bn3: BatchNorm2d::new(4 * channels),
            downsample: projection(inputs, 4 * channels, stride),
        }
    }
}

impl Layer for Bottleneck {
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = self.bn1.forward(&self.conv1.forward(x)).relu();
        let y = self.bn2.forward(&self.conv2.forward(&y)).relu();
        (self.bn3.forward(&self.conv3.forward(&y)) + shortcut(&self.downsample, x)).relu()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{compare, mean_square};
    use hadal_nn::losses::cross_entropy;

    #[test]
    fn computes_what_torchvision_computes() {
        compare("resnet18", &resnet18(3, 10), |logits| cross_entropy(logits, &Tensor::from([3i64, 7])));
        compare("resnet50", &resnet50(3, 10), mean_square);
    }
}
