//! The model file: weights, architecture, labels, preprocessing and the run that made them, in one
//! safetensors file that any other reader of the format opens as plain weights.

use super::elements::row_major;
use super::safetensors::{self, Archive};
use super::{Problem, in_file};
use crate::{Error, Result, Tensor};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// What a file of the `hadal` command holds.
#[derive(Clone, Debug, Default)]
pub struct ModelFile {
    /// How to build the model: its name and the arguments of its constructor.
    pub architecture: Value,
    /// What the classes are called, in the order of the outputs; empty where there are no classes.
    pub labels: Vec<String>,
    /// How an input becomes a tensor: size, channels, mean, deviation …
    pub preprocessing: Value,
    /// How the weights came about: version, recipe, seed, metrics …
    pub manifest: Value,
    /// How the weights were made smaller, and how the model is to be run; null for a model as it was trained.
    pub compression: Value,
    /// Parameters and buffers by their dotted names.
    pub tensors: BTreeMap<String, Tensor>,
}

const ARCHITECTURE: &str = "hadal.architecture";
const LABELS: &str = "hadal.labels";
const PREPROCESSING: &str = "hadal.preprocessing";
const MANIFEST: &str = "hadal.manifest";
const COMPRESSION: &str = "hadal.compression";

impl ModelFile {
    /// Reads a model file; a file of plain weights is refused with a word about what it lacks.
    ///
    /// The tensors share the mapped file where they can, as in [`safetensors::read`].
    pub fn read(path: impl AsRef<Path>) -> Result<ModelFile> {
        let path = path.as_ref();
        in_file(path, ModelFile::new(safetensors::read(path)?))
    }

    /// Reads the contents of a model file that are already in memory.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<ModelFile> {
        ModelFile::new(safetensors::from_bytes(bytes)?).map_err(|problem| Error::invalid(format!("model {problem}")))
    }

    fn new(Archive { tensors, metadata }: Archive) -> Result<ModelFile, Problem> {
        if metadata.contains_key(super::CHECKPOINT_EPOCH) {
            return Err(
                "is a checkpoint of a training run, not a model; `hadal train` writes model.safetensors beside it"
                    .to_owned(),
            );
        }
        if !metadata.contains_key(ARCHITECTURE) {
            return Err(format!(
                "holds {} tensors but no model: its metadata lacks `{ARCHITECTURE}`, which says how to build one; \
                 these are plain weights, to be loaded into a model that you name",
                tensors.len()
            ));
        }
        let json = |key: &str| match metadata.get(key) {
            None => Ok(Value::Null),
            Some(text) => serde_json::from_str(text).map_err(|e| format!("has metadata `{key}` that is not JSON: {e}")),
        };
        let labels = match json(LABELS)? {
            Value::Null => Vec::new(),
            labels => serde_json::from_value(labels)
                .map_err(|e| format!("has metadata `{LABELS}` that is not a list of names: {e}"))?,
        };
        Ok(ModelFile {
            architecture: json(ARCHITECTURE)?,
            labels,
            preprocessing: json(PREPROCESSING)?,
            manifest: json(MANIFEST)?,
            compression: json(COMPRESSION)?,
            tensors,
        })
    }

    /// Writes the file, atomically; equal contents give equal bytes.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        safetensors::write(path, &self.tensors, &self.metadata())
    }

    /// The bytes that [`write`](ModelFile::write) puts into a file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        safetensors::to_bytes(&self.tensors, &self.metadata())
    }

    fn metadata(&self) -> BTreeMap<String, String> {
        let mut metadata = BTreeMap::from([
            (ARCHITECTURE.to_owned(), self.architecture.to_string()),
            (LABELS.to_owned(), Value::from(self.labels.clone()).to_string()),
            (PREPROCESSING.to_owned(), self.preprocessing.to_string()),
            (MANIFEST.to_owned(), self.manifest.to_string()),
            // Names and layouts are PyTorch's; Hugging Face's readers insist on a word about that.
            ("format".to_owned(), "pt".to_owned()),
        ]);
        if !self.compression.is_null() {
            metadata.insert(COMPRESSION.to_owned(), self.compression.to_string());
        }
        metadata
    }
}

/// A fingerprint of weights: SHA-256 as 64 hexadecimal digits.
///
/// The tensors are taken in the order of their names (by bytes). What is hashed is, for each: the length of
/// the name in bytes, the name in UTF-8, the number of axes, the size of each axis, and the elements in
/// row-major order, little-endian. Lengths, numbers and sizes are `u64`, little-endian.
pub fn weights_sha256<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> String {
    let mut tensors: Vec<_> = tensors.into_iter().collect();
    tensors.sort_by_key(|(name, _)| *name);
    let mut hash = Sha256::new();
    for (name, tensor) in tensors {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((tensor.rank() as u64).to_le_bytes());
        tensor.shape().iter().for_each(|&size| hash.update((size as u64).to_le_bytes()));
        hash.update(row_major(tensor));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
