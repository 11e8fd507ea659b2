//! Layers: plain structs that own their parameters.
//!
//! Fields and shapes are named as in PyTorch, so that its weights load by name. Layers without options are written as
//! values (`Relu`) or made by `new`, and read like a sentence: `Linear::new(784, 128).without_bias()`.

mod activations;
mod conv;
mod conv_transpose;
mod dropout;
mod embedding;
mod flatten;
mod identity;
mod lazy;
mod linear;
mod padding;
mod prelu;
#[cfg(test)]
mod recorded;
mod separable_conv;

pub use activations::*;
pub use conv::{Conv, Conv1d, Conv2d, Conv3d};
pub use conv_transpose::{ConvTranspose, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
pub use dropout::{AlphaDropout, Dropout, SpatialDropout, StochasticDepth};
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use identity::Identity;
pub use linear::Linear;
pub use padding::Pad;
pub use prelu::PRelu;
pub use separable_conv::SeparableConv2d;
