//! Smaller and faster models: eight bits a number.

mod calibration;
mod quantized;

pub use calibration::Calibration;
pub use quantized::{Quantized, quantize_dynamic, quantize_static};

#[cfg(test)]
mod tests;
