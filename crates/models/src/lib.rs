//! Hadal's model zoo: one architecture per file, with the state-dict keys of torchvision or Hugging Face where they have the model.

pub mod bert;
mod cifar_resnet;
mod cnn;
pub mod gpt;
mod keras_cnn;
mod lenet;
mod mlp;
pub mod mobilenet_v2;
#[cfg(test)]
mod recorded;
pub mod resnet;
pub mod vision_transformer;

pub use bert::{Bert, BertSize};
pub use cifar_resnet::{CifarResNet, resnet20};
pub use cnn::cnn;
pub use gpt::{Gpt, GptSize};
pub use keras_cnn::keras_cnn;
pub use lenet::lenet;
pub use mlp::mlp;
pub use mobilenet_v2::{MobileNetV2, mobilenet_v2};
pub use resnet::{ResNet, resnet18, resnet34, resnet50, resnet101, resnet152};
pub use vision_transformer::{VisionTransformer, VisionTransformerSize, vit_b_16};

extern crate hadal_core as hadal;

use hadal_core::{Error, Result};
use hadal_nn::Layer;

/// What a model is built for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The shape of one sample: `[channels, height, width]` or `[features]`.
    pub input: Vec<usize>,
    /// The number of classes, or of predicted numbers.
    pub outputs: usize,
}

/// A model that has a name.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    build: fn(&Spec) -> Result<Box<dyn Layer>>,
}

/// Every model by name.
pub const ALL: [Entry; 13] = [
    Entry { name: "mlp", about: "128 hidden units with ReLU", build: |spec| Ok(Box::new(mlp(spec)?)) },
    Entry {
        name: "lenet",
        about: "LeNet as in Caffe: 20 and 50 filters 5×5, 500 hidden units",
        build: |spec| Ok(Box::new(lenet(spec)?)),
    },
    Entry {
        name: "cnn",
        about: "16 and 32 filters 3×3 with batch normalization, dropout",
        build: |spec| Ok(Box::new(cnn(spec)?)),
    },
    Entry {
        name: "keras-cnn",
        about: "32, 64, 64 filters 3×3 and 64 hidden units (the Keras tutorial's)",
        build: |spec| Ok(Box::new(keras_cnn(spec)?)),
    },
    Entry {
        name: "resnet18",
        about: "ResNet-18 (He et al. 2016), torchvision's keys",
        build: |spec| Ok(Box::new(resnet18(images(spec, "resnet18")?[0], spec.outputs))),
    },
    Entry {
        name: "resnet20",
        about: "ResNet-20 for small images (He et al. 2016, section 4.2)",
        build: |spec| Ok(Box::new(resnet20(images(spec, "resnet20")?[0], spec.outputs))),
    },
    Entry {
        name: "resnet34",
        about: "ResNet-34 (He et al. 2016), torchvision's keys",
        build: |spec| Ok(Box::new(resnet34(images(spec, "resnet34")?[0], spec.outputs))),
    },
    Entry {
        name: "resnet50",
        about: "ResNet-50 (He et al. 2016), torchvision's keys",
        build: |spec| Ok(Box::new(resnet50(images(spec, "resnet50")?[0], spec.outputs))),
    },
    Entry {
        name: "resnet101",
        about: "ResNet-101 (He et al. 2016), torchvision's keys",
        build: |spec| Ok(Box::new(resnet101(images(spec, "resnet101")?[0], spec.outputs))),
    },
    Entry {
        name: "resnet152",
        about: "ResNet-152 (He et al. 2016), torchvision's keys",
        build: |spec| Ok(Box::new(resnet152(images(spec, "resnet152")?[0], spec.outputs))),
    },
    Entry {
        name: "mobilenet_v2",
        about: "MobileNetV2 (Sandler et al. 2018), torchvision's keys",
        build: |spec| Ok(Box::new(mobilenet_v2(images(spec, "mobilenet_v2")?[0], spec.outputs))),
    },
    Entry {
        name: "vit_b_16",
        about: "ViT-B/16 (Dosovitskiy et al. 2021), torchvision's keys; square images of a multiple of 16",
        build: |spec| Ok(Box::new(vision_transformer::for_images(images(spec, "vit_b_16")?, spec.outputs)?)),
    },
    Entry {
        name: "gpt",
        about: "a GPT of 4 layers, 256 features, 8 heads: sequences of token numbers to logits of the next",
        build: |spec| Ok(Box::new(gpt::for_sequences(spec)?)),
    },
];

/// Builds a model by name, with fresh weights from the default generator.
///
/// ```
/// use hadal_core::{ModuleExt, Tensor};
/// use hadal_models::{Spec, build};
/// let model = build("mlp", &Spec { input: vec![1, 28, 28], outputs: 10 }).unwrap();
/// assert_eq!(model.parameter_count(), 101_770);
/// assert_eq!(model.forward(&Tensor::zeros([2, 1, 28, 28])).shape(), &[2, 10]);
/// ```
pub fn build(name: &str, spec: &Spec) -> Result<Box<dyn Layer>> {
    let Some(entry) = ALL.iter().find(|entry| entry.name == name) else {
        let known: Vec<&str> = ALL.iter().map(|entry| entry.name).collect();
        return Err(Error::unknown("model", name, &known));
    };
    if spec.outputs == 0 || spec.input.contains(&0) || spec.input.is_empty() {
        return Err(Error::invalid(format!(
            "{name} cannot be built for input {:?} and {} outputs",
            spec.input, spec.outputs
        )));
    }
    (entry.build)(spec)
}

/// The shape as `[channels, height, width]`, for models that take images only.
fn images(spec: &Spec, name: &str) -> Result<[usize; 3]> {
    spec.input.as_slice().try_into().map_err(|_| {
        Error::invalid(format!(
            "{name} takes images [channels, height, width], got samples of shape {:?}; use mlp",
            spec.input
        ))
    })
}

/// Height and width after a convolution or pooling without padding, or an error that names the model.
fn shrink(name: &str, input: &[usize; 3], steps: &[(usize, usize)]) -> Result<[usize; 2]> {
    let side =
        |size: usize| steps.iter().try_fold(size, |n, &(kernel, stride)| Some(n.checked_sub(kernel)? / stride + 1));
    match (side(input[1]), side(input[2])) {
        (Some(height), Some(width)) => Ok([height, width]),
        _ => Err(Error::invalid(format!("{name} needs larger images than {} × {}", input[1], input[2]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hadal_core::ModuleExt;

    fn spec(input: &[usize], outputs: usize) -> Spec {
        Spec { input: input.to_vec(), outputs }
    }

    /// Parameters of the models for RGB images and 1000 classes, as torchvision publishes them.
    const PUBLISHED: [(&str, usize); 7] = [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("mobilenet_v2", 3_504_872),
        // For images of 32 × 32 there are 5 positions in place of 197.
        ("vit_b_16", 86_567_656 - 192 * 768),
    ];

    #[test]
    fn every_model_can_be_built_by_name_and_has_the_published_size() {
        for entry in &ALL {
            let (spec, expected) = match entry.name {
                "gpt" => (spec(&[6], 11), vec![1, 6, 11]),
                _ => (spec(&[3, 32, 32], 1000), vec![1, 1000]),
            };
            let model = build(entry.name, &spec).unwrap();
            let shape: Vec<usize> = [1].iter().chain(&spec.input).copied().collect();
            assert_eq!(model.build(&shape).to_vec(), expected, "{}", entry.name);
            if let Some((_, published)) = PUBLISHED.iter().find(|(name, _)| *name == entry.name) {
                assert_eq!(model.parameter_count(), *published, "{}", entry.name);
            }
        }
    }

    #[test]
    fn what_a_model_cannot_take_is_said() {
        let error = |name: &str, input: &[usize]| build(name, &spec(input, 10)).err().unwrap().to_string();
        assert_eq!(
            error("vit_b_16", &[3, 32, 48]),
            "vit_b_16 takes square images of a multiple of 16, got 32 × 48; resize them"
        );
        assert_eq!(
            error("gpt", &[1, 28, 28]),
            "gpt takes sequences of token numbers [steps], got samples of shape [1, 28, 28]"
        );
        assert!(error("resnet50", &[784]).starts_with("resnet50 takes images [channels, height, width]"));
    }
}
