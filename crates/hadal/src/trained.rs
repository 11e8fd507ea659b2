//! A model file of the `hadal` command, built and loaded: what predicts.

use crate::Compression;
use hadal_core::compile::Graphs;
use hadal_core::format::model_file::ModelFile;
use hadal_core::{Error, ModuleExt, Result, Tensor, attempt, no_grad, random};
use hadal_data::preprocessing::Preprocessing;
use hadal_models::{self as models, Spec};
use hadal_nn::{Layer, Strictness, load_state_dict};
use hadal_train::compress::unpack;
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
    /// How `hadal compress` made it smaller, if it did. The model's own weights are then the nearest numbers.
    pub compression: Option<Compression>,
    /// What runs a model that computes with bytes.
    graphs: Option<Graphs>,
}

/// Samples that a graph of bytes takes at once. A sample does not depend on its batch, so that a batch may come in pieces,
/// and a server, whose batches have any size, needs no more than these graphs.
const PIECES: [usize; 4] = [64, 16, 4, 1];

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
        Trained::new(ModelFile::read(path)?).map_err(|e| Error::file(path, e))
    }

    /// As [`read`](Trained::read), but the file is copied into memory first, so that nothing that happens to it later
    /// matters: for programs that run long.
    pub fn read_whole(path: impl AsRef<Path>) -> Result<Trained> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        Trained::from_bytes(bytes).map_err(|e| Error::file(path, e))
    }

    /// As [`read`](Trained::read), of the contents of a file.
    ///
    /// # Errors
    /// When they do not describe a model, or the weights are not those of it.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Trained> {
        Trained::new(ModelFile::from_bytes(bytes)?)
    }

    /// A model file that is in memory already.
    ///
    /// # Errors
    /// As [`from_bytes`](Trained::from_bytes).
    pub fn new(file: ModelFile) -> Result<Trained> {
        let wrong = |what: &str, e: serde_json::Error| Error::invalid(format!("has {what} that cannot be read: {e}"));
        let architecture: Architecture =
            serde_json::from_value(file.architecture).map_err(|e| wrong("an architecture", e))?;
        let preprocessing = serde_json::from_value(file.preprocessing).map_err(|e| wrong("a preprocessing", e))?;
        let spec = Spec { input: architecture.input, outputs: architecture.outputs };
        let model = random::undrawn(|| models::build(&architecture.name, &spec))?;
        let compression: Option<Compression> =
            serde_json::from_value(file.compression).map_err(|e| wrong("a compression", e))?;
        let tensors = if compression.is_some() { unpack(file.tensors)? } else { file.tensors };
        load_state_dict(&*model, &tensors, Strictness::Strict)?;
        model.eval();
        let (name, labels, manifest) = (architecture.name, file.labels, file.manifest);
        let bytes = compression.as_ref().is_some_and(|compression| compression.int8().is_some());
        let mut trained = Trained { model, name, labels, preprocessing, manifest, compression, graphs: None };
        trained.graphs = bytes.then(|| trained.graphs(false));
        Ok(trained)
    }

    /// For functions that call the model: graphs of bytes if the model was compressed so, and others for inference if
    /// that is wanted, which rounds otherwise than the model does.
    pub fn graphs(&self, inference: bool) -> Graphs {
        let mut graphs = Graphs::default();
        match self.compression.as_ref().and_then(Compression::int8) {
            Some(int8) => graphs.quantize(int8),
            None if inference => graphs.for_inference(),
            None => (),
        }
        graphs
    }

    /// What the model makes of a batch, without a tape: logits, or standardized numbers.
    ///
    /// # Errors
    /// When the inputs do not fit the model.
    pub fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        let forward = |x: &Tensor| attempt(|| self.model.forward(x));
        let batch = inputs.shape().first().copied().unwrap_or(0);
        no_grad(|| match &self.graphs {
            Some(graphs) if batch > 0 => {
                let run = |x: &Tensor| Ok(graphs.call(&[x], &|x| Ok(vec![forward(&x[0])?]))?.swap_remove(0));
                let (mut outputs, mut start) = (Vec::new(), 0);
                while let Some(size) = PIECES.into_iter().find(|size| start + size <= batch) {
                    outputs.push(run(&inputs.try_narrow(0, start, size)?)?);
                    start += size;
                }
                Tensor::try_cat(&outputs.iter().collect::<Vec<_>>(), 0)
            }
            _ => forward(inputs),
        })
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
