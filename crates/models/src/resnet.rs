//! Residual networks (He et al. 2016, arXiv 1512.03385) with torchvision's structure and keys.

use hadal_core::{Module, Tensor};
use hadal_nn::layers::{BatchNorm2d, Conv2d, Linear, MaxPool2d};
use hadal_nn::{Layer, Sequential};

/// ResNet-18 for images with this many channels and any size: 11,689,512 parameters for 3 channels, 1000 classes.
pub fn resnet18(channels: usize, classes: usize) -> ResNet {
    ResNet::new(channels, [2, 2, 2, 2], classes)
}

/// ResNet-34: 21,797,672 parameters for 3 channels, 1000 classes.
pub fn resnet34(channels: usize, classes: usize) -> ResNet {
    ResNet::new(channels, [3, 4, 6, 3], classes)
}

/// A residual network of basic blocks.
#[derive(Module)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    maxpool: MaxPool2d,
    layer1: Vec<BasicBlock>,
    layer2: Vec<BasicBlock>,
    layer3: Vec<BasicBlock>,
    layer4: Vec<BasicBlock>,
    fc: Linear,
}

impl ResNet {
    fn new(channels: usize, depths: [usize; 4], classes: usize) -> ResNet {
        let stage = |inputs: usize, outputs: usize, depth: usize, stride: usize| -> Vec<BasicBlock> {
            (0..depth)
                .map(|i| match i {
                    0 => BasicBlock::new(inputs, outputs, stride),
                    _ => BasicBlock::new(outputs, outputs, 1),
                })
                .collect()
        };
        ResNet {
            conv1: Conv2d::new(channels, 64, 7).stride(2).padding(3).without_bias(),
            bn1: BatchNorm2d::new(64),
            maxpool: MaxPool2d::new(3).stride(2).padding(1),
            layer1: stage(64, 64, depths[0], 1),
            layer2: stage(64, 128, depths[1], 2),
            layer3: stage(128, 256, depths[2], 2),
            layer4: stage(256, 512, depths[3], 2),
            fc: Linear::new(512, classes),
        }
    }

    /// The features before the classifier: `[batch, 512]`.
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

/// Two convolutions 3 × 3 and a shortcut.
#[derive(Module)]
struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    /// Where the shape changes: a convolution 1 × 1 and a normalization.
    downsample: Option<Sequential>,
}

impl BasicBlock {
    fn new(inputs: usize, outputs: usize, stride: usize) -> BasicBlock {
        let projection = || {
            Sequential::new()
                .add(Conv2d::new(inputs, outputs, 1).stride(stride).without_bias())
                .add(BatchNorm2d::new(outputs))
        };
        BasicBlock {
            conv1: Conv2d::new(inputs, outputs, 3).stride(stride).padding(1).without_bias(),
            bn1: BatchNorm2d::new(outputs),
            conv2: Conv2d::new(outputs, outputs, 3).padding(1).without_bias(),
            bn2: BatchNorm2d::new(outputs),
            downsample: (stride != 1 || inputs != outputs).then(projection),
        }
    }
}

impl Layer for BasicBlock {
    fn forward(&self, x: &Tensor) -> Tensor {
        let shortcut = self.downsample.as_ref().map_or_else(|| x.clone(), |projection| projection.forward(x));
        let y = self.bn1.forward(&self.conv1.forward(x)).relu();
        (self.bn2.forward(&self.conv2.forward(&y)) + shortcut).relu()
    }
}
