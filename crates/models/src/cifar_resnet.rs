//! The residual networks for CIFAR of the original paper (He et al. 2016, arXiv 1512.03385, section 4.2).

use hadal_core::{Border, By, Module, Tensor, s};
use hadal_nn::Layer;
use hadal_nn::layers::{BatchNorm2d, Conv2d, Linear};

/// ResNet-20 for small images: 269,722 parameters for 3 channels and 10 classes.
pub fn resnet20(channels: usize, classes: usize) -> CifarResNet {
    CifarResNet::new(channels, 3, classes)
}

/// A convolution, three stages of 16, 32 and 64 channels, each half as high and wide as the one before, and a linear
/// layer on the mean of every channel.
///
/// Shortcuts have no parameters (the paper's option A): where a stage begins, every second row and column is taken
/// and the new channels are zeros, half of them before and half behind.
#[derive(Module)]
pub struct CifarResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    linear: Linear,
}

impl CifarResNet {
    /// `depth` blocks per stage: 6 · depth + 2 layers with weights.
    fn new(channels: usize, depth: usize, classes: usize) -> CifarResNet {
        let stage = |inputs: usize, outputs: usize| -> Vec<Block> {
            (0..depth).map(|i| Block::new(if i == 0 { inputs } else { outputs }, outputs)).collect()
        };
        CifarResNet {
            conv1: Conv2d::new(channels, 16, 3).padding(1).without_bias(),
            bn1: BatchNorm2d::new(16),
            layer1: stage(16, 16),
            layer2: stage(16, 32),
            layer3: stage(32, 64),
            linear: Linear::new(64, classes),
        }
    }
}

impl Layer for CifarResNet {
    fn forward(&self, x: &Tensor) -> Tensor {
        let mut x = self.bn1.forward(&self.conv1.forward(x)).relu();
        for block in [&self.layer1, &self.layer2, &self.layer3].into_iter().flatten() {
            x = block.forward(&x);
        }
        self.linear.forward(&x.mean([2, 3]))
    }
}

/// Two convolutions 3 × 3 and a shortcut.
#[derive(Module)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    /// Channels that the shortcut adds; where it adds some, it also halves height and width.
    added: usize,
}

impl Block {
    fn new(inputs: usize, outputs: usize) -> Block {
        let added = outputs - inputs;
        Block {
            conv1: Conv2d::new(inputs, outputs, 3).stride(if added > 0 { 2 } else { 1 }).padding(1).without_bias(),
            bn1: BatchNorm2d::new(outputs),
            conv2: Conv2d::new(outputs, outputs, 3).padding(1).without_bias(),
            bn2: BatchNorm2d::new(outputs),
            added,
        }
    }

    fn shortcut(&self, x: &Tensor) -> Tensor {
        if self.added == 0 {
            return x.clone();
        }
        let half = (self.added / 2) as isize;
        x.slice(s![.., .., (..).by(2), (..).by(2)]).pad([(half, half), (0, 0), (0, 0)], Border::ZEROS)
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Tensor {
        let y = self.bn1.forward(&self.conv1.forward(x)).relu();
        (self.bn2.forward(&self.conv2.forward(&y)) + self.shortcut(x)).relu()
    }
}
