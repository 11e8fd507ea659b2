//! A model file of the `hadal` command, built and loaded: what predicts.

use hadal_core::format::model_file::ModelFile;
use hadal_core::{Error, ModuleExt, Result, Tensor, attempt, no_grad, random};
use hadal_data::preprocessing::Preprocessing;
use hadal_models::{self as models, Spec};
use hadal_nn::{Layer, Strictness, load_state_dict};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// A trained model ready to be used, with what was stored beside it.
///
/// ```no_run
/// use hadal::{Tensor, Trained};
/// let digits = Trained::read("runs/mnist/model.safetensors")?;
/// let logits = digits.forward(&Tensor::zeros([1, 1, 28, 28]))?;
/// println!("{:?} {}", digits.labels, digits.prediction(&logits));
/// # Ok::<(), hadal::Error>(())
/// ```
pub struct Trained {
    /// The model, in evaluation mode.
    pub model: Box<dyn Layer>,
    /// The architecture's name in [`models::ALL`].
    pub name: String,
    /// What the classes are called, in the order of the outputs; empty where numbers are predicted.
    pub labels: Vec<String>,
    /// How an input becomes what the model takes.
    pub preprocessing: Preprocessing,
    /// How the weights came about: version, recipe, result.
    pub manifest: Value,
}

#[derive(Deserialize)]
struct Architecture {
    name: String,
    input: Vec<usize>,
    outputs: usize,
}

impl Trained {
    /// Reads a file that `hadal train` wrote. The weights share the mapped file where they can: it must not be
    /// overwritten in place meanwhile (renaming another file over it is fine).
    pub fn read(path: impl AsRef<Path>) -> Result<Trained> {
        let path = path.as_ref();
        Trained::build(ModelFile::read(path)?).map_err(|e| Error::file(path, e))
    }

    /// As [`read`](Trained::read), but the file is copied into memory first, so that nothing that happens to it later
    /// matters: for programs that run long.
    pub fn read_whole(path: impl AsRef<Path>) -> Result<Trained> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        Trained::from_bytes(bytes).map_err(|e| Error::file(path, e))
    }

    /// As [`read`](Trained::read), of the contents of a file.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Trained> {
        Trained::build(ModelFile::from_bytes(bytes)?)
    }

    fn build(file: ModelFile) -> Result<Trained> {
        let wrong = |what: &str, e: serde_json::Error| Error::invalid(format!("has {what} that cannot be read: {e}"));
        let architecture: Architecture =
            serde_json::from_value(file.architecture).map_err(|e| wrong("an architecture", e))?;
        let preprocessing = serde_json::from_value(file.preprocessing).map_err(|e| wrong("a preprocessing", e))?;
        let spec = Spec { input: architecture.input, outputs: architecture.outputs };
        let model = random::undrawn(|| models::build(&architecture.name, &spec))?;
        load_state_dict(&*model, &file.tensors, Strictness::Strict)?;
        model.eval();
        Ok(Trained { model, name: architecture.name, labels: file.labels, preprocessing, manifest: file.manifest })
    }

    /// What the model makes of a batch, without a tape: logits, or standardized numbers.
    ///
    /// # Errors
    /// When the inputs do not fit the model.
    pub fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        no_grad(|| attempt(|| self.model.forward(inputs)))
    }

    /// What users want to know of the model's output `[samples, outputs]`: probabilities of the classes, or numbers in
    /// the units of the table.
    pub fn prediction(&self, output: &Tensor) -> Tensor {
        match self.preprocessing.scale() {
            Some(scale) => scale.undo(output),
            None if self.labels.is_empty() => output.clone(),
            None => output.softmax(-1),
        }
    }
}
