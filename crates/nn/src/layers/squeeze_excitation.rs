//! `SqueezeExcitation` (Hu, Shen and Sun, CVPR 2018, arXiv:1709.01507).

use super::Conv2d;
use crate::Layer;
use hadal_core::{Module, Tag, Tensor};

/// Weighs the channels of `[batch, channels, height, width]` by what the whole image says: mean over positions, two
/// 1 × 1 convolutions with ReLU between, sigmoid. Keys as in torchvision (`fc1`, `fc2`).
#[derive(Debug, Module)]
pub struct SqueezeExcitation {
    /// To the squeezed channels.
    pub fc1: Conv2d,
    /// Back to all channels.
    pub fc2: Conv2d,
    tag: Tag,
}

impl SqueezeExcitation {
    /// Squeezes `channels` to `squeezed` (a sixteenth in the paper, a quarter in EfficientNet).
    pub fn new(channels: usize, squeezed: usize) -> SqueezeExcitation {
        SqueezeExcitation {
            fc1: Conv2d::new(channels, squeezed, 1),
            fc2: Conv2d::new(squeezed, channels, 1),
            tag: Tag::new("SqueezeExcitation"),
        }
    }
}

impl Layer for SqueezeExcitation {
    fn forward(&self, x: &Tensor) -> Tensor {
        let squeezed = x.mean_keepdim([-2, -1]);
        let scale = self.fc2.forward(&self.fc1.forward(&squeezed).relu()).sigmoid();
        self.tag.call(x, || x.try_mul(scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal_core::ModuleExt;

    /// With zero weights and biases of 0 the scale is sigmoid(0) = 1/2.
    #[test]
    fn scales_whole_channels() {
        let layer = SqueezeExcitation::new(4, 2);
        layer.parameters().iter().for_each(|p| p.set(&p.get().zeros_like()).unwrap());
        let x = Tensor::from_vec((0..32).map(|i| i as f32).collect(), [1, 4, 2, 4]);
        let expected: Vec<f32> = (0..32).map(|i| i as f32 / 2.0).collect();
        assert_eq!(layer.forward(&x).to_vec::<f32>(), expected);
    }
}
