//! The CNN of the Keras tutorials: three valid convolutions and a dense layer.

use crate::{Spec, images, shrink};
use hadal_core::Result;
use hadal_nn::Sequential;
use hadal_nn::layers::{Conv2d, Flatten, Linear, MaxPool2d, Relu};

/// 32, 64 and 64 filters 3 × 3 without padding, 64 hidden units: 122,570 parameters on 32 × 32 colour images with
/// 10 classes.
pub fn keras_cnn(spec: &Spec) -> Result<Sequential> {
    let input = images(spec, "keras-cnn")?;
    let [height, width] = shrink("keras-cnn", &input, &[(3, 1), (2, 2), (3, 1), (2, 2), (3, 1)])?;
    Ok(Sequential::new()
        .add(Conv2d::new(input[0], 32, 3))
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(32, 64, 3))
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(64, 64, 3))
        .add(Relu)
        .add(Flatten::new())
        .add(Linear::new(64 * height * width, 64))
        .add(Relu)
        .add(Linear::new(64, spec.outputs)))
}
