//! LeNet as Caffe and Theano taught it (LeCun et al. 1998, with max pooling and ReLU).

use crate::{Spec, images, shrink};
use hadal_core::Result;
use hadal_nn::Sequential;
use hadal_nn::layers::{Conv2d, Flatten, Linear, MaxPool2d, Relu};

/// Two convolutions 5 × 5 (20 and 50 filters), each pooled, then 500 hidden units.
pub fn lenet(spec: &Spec) -> Result<Sequential> {
    let input = images(spec, "lenet")?;
    let [height, width] = shrink("lenet", &input, &[(5, 1), (2, 2), (5, 1), (2, 2)])?;
    Ok(Sequential::new()
        .add(Conv2d::new(input[0], 20, 5))
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(20, 50, 5))
        .add(MaxPool2d::new(2))
        .add(Flatten::new())
        .add(Linear::new(50 * height * width, 500))
        .add(Relu)
        .add(Linear::new(500, spec.outputs)))
}
