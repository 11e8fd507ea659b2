//! Smaller and faster models: eight bits a number, weights that are zero, and students that learn from teachers.
//!
//! `docs/compress.md` tells which to take. Distillation is [`Trainer::distill`](crate::Trainer::distill).

mod calibration;
mod prune;
mod pruning;
mod qat;
mod quantized;
mod sparsity;
mod storage;

pub use calibration::Calibration;
pub use prune::{Amount, global_unstructured, l1_unstructured, ln_structured};
pub use pruning::{Pruning, prunable};
pub use qat::{Observer, prepare_qat, remove_qat};
pub use quantized::{Quantized, calibrate, quantize_dynamic, quantize_static, quantize_weights};
pub use sparsity::Sparsity;
pub use storage::{pack_bytes, pack_halves, pack_sparse, unpack};

#[cfg(test)]
mod tests;
