//! Layers: plain structs that own their parameters.
//!
//! Fields and shapes are named as in PyTorch, so that its weights load by name. Layers without options are written as
//! values (`Relu`, `Flatten`), the others are made by `new` and read like a sentence:
//! `Linear::new(784, 128).without_bias()`.

mod activations;
mod embedding;
mod flatten;
mod lazy;
mod linear;
#[cfg(test)]
mod recorded;

pub use activations::*;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use linear::Linear;
