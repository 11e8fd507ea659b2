//! Hadal's model zoo: one architecture per file, with the state-dict keys of torchvision where it has the model.

mod cnn;
mod keras_cnn;
mod lenet;
mod mlp;
pub mod resnet;

pub use cnn::cnn;
pub use keras_cnn::keras_cnn;
pub use lenet::lenet;
pub use mlp::mlp;
pub use resnet::{ResNet, resnet18, resnet34};

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
pub const ALL: [Entry; 6] = [
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
        name: "resnet34",
        about: "ResNet-34 (He et al. 2016), torchvision's keys",
        build: |spec| Ok(Box::new(resnet34(images(spec, "resnet34")?[0], spec.outputs))),
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
        return Err(Error::invalid(format!("no model is called `{name}`; there are {}", known.join(", "))));
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
