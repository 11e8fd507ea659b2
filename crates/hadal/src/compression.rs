//! How a model file was made smaller, and how such a model is run.

use hadal_core::compile::{Int8, Ranges};
use hadal_core::format::model_file::ModelFile;
use hadal_core::{DType, Error, Result};
use hadal_train::compress::{pack_bytes, pack_halves, pack_sparse};
use serde::{Deserialize, Serialize};

/// A way to make a model file smaller, kept as JSON under `hadal.compression` in the file's metadata: `{"method":"f16"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum Compression {
    /// Weights with 16 bits in the file, and the model as it was.
    F16,
    /// The same with the range of `f32` and fewer digits.
    Bf16,
    /// Weights of bytes; the model computes with numbers.
    Int8Weights,
    /// Weights of dense layers of bytes, with which they multiply inputs whose range they find by themselves.
    Int8Dynamic,
    /// Weights of bytes, and products of bytes.
    Int8Static {
        /// The ranges of what the layers read.
        ranges: Ranges,
    },
}

impl Compression {
    /// The name: that in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Compression::F16 => "f16",
            Compression::Bf16 => "bf16",
            Compression::Int8Weights => "int8-weights",
            Compression::Int8Dynamic => "int8-dynamic",
            Compression::Int8Static { .. } => "int8-static",
        }
    }

    /// How a graph of the model is quantized, for those that compute otherwise.
    pub fn int8(&self) -> Option<Int8> {
        match self {
            Compression::F16 | Compression::Bf16 => None,
            Compression::Int8Weights => Some(Int8::Weights),
            Compression::Int8Dynamic => Some(Int8::Dynamic),
            Compression::Int8Static { ranges } => Some(Int8::Static(ranges.clone())),
        }
    }

    /// The file of a trained model, made smaller. Weights that are mostly zero are stored without their zeros.
    ///
    /// # Errors
    /// If it has been made smaller already, or a weight cannot be stored in this way.
    pub fn apply(&self, file: &ModelFile) -> Result<ModelFile> {
        if let Some(method) = file.compression.get("method") {
            return Err(Error::invalid(format!("the model is compressed already ({method}): compress the original")));
        }
        let tensors = match self {
            Compression::F16 => pack_halves(&file.tensors, DType::F16),
            Compression::Bf16 => pack_halves(&file.tensors, DType::BF16),
            Compression::Int8Dynamic => pack_bytes(&file.tensors, |weight| weight.rank() == 2),
            Compression::Int8Weights | Compression::Int8Static { .. } => pack_bytes(&file.tensors, |_| true),
        };
        let compression = serde_json::to_value(self).map_err(|e| Error::invalid(e.to_string()))?;
        Ok(ModelFile { compression, tensors: pack_sparse(tensors?)?, ..file.clone() })
    }
}
