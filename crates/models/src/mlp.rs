//! A multi-layer perceptron: one hidden layer of 128 units.

use crate::Spec;
use hadal_core::Result;
use hadal_nn::Sequential;
use hadal_nn::layers::{Flatten, Linear, Relu};

/// Flatten, 128 hidden units with ReLU, outputs: 101,770 parameters on 28 × 28 grey images with 10 classes.
pub fn mlp(spec: &Spec) -> Result<Sequential> {
    let features = spec.input.iter().product();
    Ok(Sequential::new()
        .add(Flatten::new())
        .add(Linear::new(features, 128))
        .add(Relu)
        .add(Linear::new(128, spec.outputs)))
}
