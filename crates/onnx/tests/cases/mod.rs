//! What tests of exported models share: running them, and keeping them for other runtimes.

use hadal_core::format::npy;
use hadal_core::{Result, Tensor, no_grad};
use hadal_onnx::{Model, Value};
use std::fs;
use std::path::PathBuf;

/// The outputs of a model for inputs of these names.
pub fn run(bytes: Vec<u8>, names: &[String], inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let model = Model::from_bytes(bytes)?;
    let inputs: Vec<(&str, Value)> = names.iter().map(String::as_str).zip(inputs.iter().map(Value::from)).collect();
    let outputs = no_grad(|| model.run(&inputs))?;
    Ok(outputs.iter().map(|value| value.tensor().expect("a tensor").clone()).collect())
}

/// Writes model, inputs and expected outputs to a folder of this name, if asked to by `HADAL_ONNX_CASES`.
pub fn keep(name: &str, bytes: &[u8], inputs: &[Tensor], outputs: &[Tensor]) {
    let Some(root) = std::env::var_os("HADAL_ONNX_CASES") else { return };
    let folder = PathBuf::from(root).join(name);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("model.onnx"), bytes).expect("a model");
    for (kind, tensors) in [("input", inputs), ("output", outputs)] {
        for (i, tensor) in tensors.iter().enumerate() {
            npy::write(folder.join(format!("{kind}_{i}.npy")), tensor).expect("an array");
        }
    }
}
