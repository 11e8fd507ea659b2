//! A small modern CNN: two convolutions with batch normalization.

use crate::{Spec, images, shrink};
use hadal_core::Result;
use hadal_nn::Sequential;
use hadal_nn::layers::{BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Relu};

/// 16 and 32 filters 3 × 3, each normalized, rectified and pooled, then dropout and one linear layer.
pub fn cnn(spec: &Spec) -> Result<Sequential> {
    let input = images(spec, "cnn")?;
    let [height, width] = shrink("cnn", &input, &[(2, 2), (2, 2)])?;
    Ok(Sequential::new()
        .add(Conv2d::new(input[0], 16, 3).padding(1))
        .add(BatchNorm2d::new(16))
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(16, 32, 3).padding(1))
        .add(BatchNorm2d::new(32))
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Flatten::new())
        .add(Dropout::new(0.25))
        .add(Linear::new(32 * height * width, spec.outputs)))
}
