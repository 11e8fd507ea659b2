//! Smaller and faster models: eight bits a number.

mod calibration;
mod qat;
mod quantized;

pub use calibration::Calibration;
pub use qat::{Observer, prepare_qat, remove_qat};
pub use quantized::{Quantized, calibrate, quantize_dynamic, quantize_static, quantize_weights};

#[cfg(test)]
mod tests;
