//! Smaller and faster models: eight bits a number.

mod calibration;
mod prune;
mod pruning;
mod qat;
mod quantized;
mod sparsity;

pub use calibration::Calibration;
pub use prune::{Amount, global_unstructured, l1_unstructured, ln_structured};
pub use pruning::{Pruning, prunable};
pub use qat::{Observer, prepare_qat, remove_qat};
pub use quantized::{Quantized, calibrate, quantize_dynamic, quantize_static, quantize_weights};
pub use sparsity::Sparsity;

#[cfg(test)]
mod tests;
