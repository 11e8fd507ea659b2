//! Vision transformers (Dosovitskiy et al., ICLR 2021, arXiv 2010.11929) with torchvision's structure, keys and
//! initialisation.

use hadal_core::{Error, Module, Param, Result, Tensor};
use hadal_nn::init::{Initialiser, Normal, TruncatedNormal, xavier_uniform, zeros};
use hadal_nn::layers::{Conv2d, Gelu, LayerNorm, Linear, MultiheadAttention};
use hadal_nn::{Layer, Sequential};

/// What a vision transformer consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisionTransformerSize {
    /// Channels of the images.
    pub channels: usize,
    /// Height and width of the images.
    pub image: usize,
    /// Height and width of a patch; the image is a whole number of them.
    pub patch: usize,
    /// Blocks.
    pub layers: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// Features of a patch.
    pub width: usize,
    /// Features between the dense layers.
    pub feedforward: usize,
    /// Classes.
    pub classes: usize,
}

impl VisionTransformerSize {
    /// ViT-B/16 for RGB images of 224 × 224 and 1000 classes.
    pub fn b_16() -> VisionTransformerSize {
        VisionTransformerSize {
            channels: 3,
            image: 224,
            patch: 16,
            layers: 12,
            heads: 12,
            width: 768,
            feedforward: 3072,
            classes: 1000,
        }
    }
}

/// ViT-B/16 for images of 224 × 224 with this many channels: 86,567,656 parameters for 3 channels, 1000 classes.
pub fn vit_b_16(channels: usize, classes: usize) -> VisionTransformer {
    VisionTransformer::new(&VisionTransformerSize { channels, classes, ..VisionTransformerSize::b_16() })
}

/// ViT-B/16 for images `[channels, height, width]`, if they are square and can be cut into patches.
pub(crate) fn for_images([channels, height, width]: [usize; 3], classes: usize) -> Result<VisionTransformer> {
    let size = VisionTransformerSize { channels, image: height, classes, ..VisionTransformerSize::b_16() };
    if height != width || !height.is_multiple_of(size.patch) {
        return Err(Error::invalid(format!(
            "vit_b_16 takes square images of a multiple of {}, got {height} × {width}; resize them",
            size.patch
        )));
    }
    Ok(VisionTransformer::new(&size))
}

/// Patches of an image and a token for its class, through transformer blocks.
#[derive(Module)]
pub struct VisionTransformer {
    /// `[1, 1, width]`
    class_token: Param,
    conv_proj: Conv2d,
    encoder: Encoder,
    heads: Sequential,
}

impl VisionTransformer {
    /// Of this size.
    ///
    /// # Panics
    /// If the image is not a whole number of patches, or the width not a multiple of the number of heads.
    #[track_caller]
    pub fn new(size: &VisionTransformerSize) -> VisionTransformer {
        let VisionTransformerSize { channels, image, patch, width, .. } = *size;
        if patch == 0 || !image.is_multiple_of(patch) {
            let message = format!("cannot cut images of {image} × {image} into patches of {patch} × {patch}");
            Error::op("VisionTransformer", message).raise();
        }
        let steps = 1 + (image / patch).pow(2);
        let inputs = channels * patch * patch;
        let patches = TruncatedNormal::new(0.0, (1.0 / inputs.max(1) as f64).sqrt());
        let mut layers = Sequential::new();
        for i in 0..size.layers {
            layers = layers.named(format!("encoder_layer_{i}"), Block::new(size));
        }
        VisionTransformer {
            class_token: Param::new(Tensor::zeros([1, 1, width])),
            conv_proj: Conv2d::new(channels, width, patch).stride(patch).weight_init(patches).bias_init(zeros()),
            encoder: Encoder {
                pos_embedding: Param::new(Normal::new(0.0, 0.02).draw(&[1, steps, width].into())),
                layers,
                ln: LayerNorm::new(width).eps(1e-6),
            },
            heads: Sequential::new()
                .named("head", Linear::new(width, size.classes).weight_init(zeros()).bias_init(zeros())),
        }
    }

    /// The features of the class token before the classifier: `[batch, width]`.
    #[track_caller]
    pub fn features(&self, x: &Tensor) -> Tensor {
        // [batch, width, rows, columns] to [batch, rows·columns, width]
        let patches = self.conv_proj.forward(x).flatten(2, -1).transpose(1, 2);
        let class = self.class_token.get();
        let class = class.expand([patches.shape()[0], 1, patches.shape()[2]]);
        self.encoder.forward(&Tensor::cat(&[class, patches], 1)).select(1, 0)
    }
}

impl Layer for VisionTransformer {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.heads.forward(&self.features(x))
    }
}

#[derive(Module)]
struct Encoder {
    /// `[1, steps, width]`
    pos_embedding: Param,
    layers: Sequential,
    ln: LayerNorm,
}

impl Encoder {
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor {
        self.ln.forward(&self.layers.forward(&(x + self.pos_embedding.get())))
    }
}

/// Self-attention and two dense layers, each normalized first and with a shortcut.
#[derive(Module)]
struct Block {
    ln_1: LayerNorm,
    self_attention: MultiheadAttention,
    ln_2: LayerNorm,
    mlp: Sequential,
}

impl Block {
    fn new(size: &VisionTransformerSize) -> Block {
        let dense = |inputs: usize, outputs: usize| {
            Linear::new(inputs, outputs).weight_init(xavier_uniform()).bias_init(Normal::new(0.0, 1e-6))
        };
        let norm = || LayerNorm::new(size.width).eps(1e-6);
        Block {
            ln_1: norm(),
            self_attention: MultiheadAttention::new(size.width, size.heads),
            ln_2: norm(),
            // torchvision has dropout in the places 2 and 4, with probability 0.
            mlp: Sequential::new()
                .named("0", dense(size.width, size.feedforward))
                .named("1", Gelu)
                .named("3", dense(size.feedforward, size.width)),
        }
    }
}

impl Layer for Block {
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x + self.self_attention.forward(&self.ln_1.forward(x));
        &x + self.mlp.forward(&self.ln_2.forward(&x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{compare, mean_square};

    #[test]
    fn computes_what_torchvision_computes() {
        let size = VisionTransformerSize {
            channels: 3,
            image: 24,
            patch: 8,
            layers: 2,
            heads: 4,
            width: 32,
            feedforward: 48,
            classes: 10,
        };
        compare("vision_transformer", &VisionTransformer::new(&size), mean_square);
    }
}
