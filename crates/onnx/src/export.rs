//! Models written as ONNX files.
//!
//! A function is traced, every op describes itself in nodes (`hadal_core::onnx`), and here the nodes become a file.

mod batch;
mod write;

use crate::wire;
use batch::Batch;
use hadal_core::compile::{Function, Graph};
use hadal_core::format::atomic;
use hadal_core::onnx::{Nodes, describe};
use hadal_core::{Error, Meta, Result};
use prost::Message;
use std::path::Path;

/// A file of protobuf may not be larger; elements beyond that go to a second file.
const LARGEST: usize = i32::MAX as usize;

/// Writes a function of tensors, such as a model's `forward`, as an ONNX model.
///
/// What is written is what the function does with arguments of the given shapes: inference, so the model must be in
/// evaluation mode. Parameters keep their names, nodes are named after the layers that they belong to.
///
/// ```
/// use hadal_core::{DType, Meta, Param, Tensor};
/// use hadal_onnx::{Export, Model};
/// let weight = Param::new(Tensor::from([3.0f32, -1.0]));
/// weight.set_name("weight");
/// let export = Export::new([("x", Meta::new([5, 2], DType::F32))]).dynamic_batch().metadata("author", "me");
/// let bytes = export.to_bytes(&|x| Ok(vec![(weight.get() * &x[0]).relu()])).unwrap();
/// let model = Model::from_bytes(bytes).unwrap();
/// let y = model.run(&[("x", Tensor::from([[1.0f32, 1.0]]).into())]).unwrap();
/// assert_eq!(y[0].tensor().unwrap().to_vec::<f32>(), [3.0, 0.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Export {
    inputs: Vec<(String, Meta)>,
    outputs: Vec<String>,
    metadata: Vec<(String, String)>,
    dynamic_batch: bool,
    largest: usize,
}

impl Export {
    /// Of a function whose arguments have these names, shapes and types.
    pub fn new<N: Into<String>>(inputs: impl IntoIterator<Item = (N, Meta)>) -> Export {
        let inputs = inputs.into_iter().map(|(name, meta)| (name.into(), meta)).collect();
        Export { inputs, outputs: Vec::new(), metadata: Vec::new(), dynamic_batch: false, largest: LARGEST }
    }

    /// With these names of the results; by default `output`, or `output0`, `output1` … if there are several.
    pub fn outputs<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Export {
        Export { outputs: names.into_iter().map(Into::into).collect(), ..self }
    }

    /// With any size of the first axis of every input, the batch, whatever it is in the given shapes. The function is
    /// traced with several sizes to see what depends on them.
    pub fn dynamic_batch(self) -> Export {
        Export { dynamic_batch: true, ..self }
    }

    /// With a text about the model under a key: labels, preprocessing, the author.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Export {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// With the elements of parameters in a second file when they take more than so many bytes together; by default
    /// what a file of this format can hold, 2³¹ − 1.
    pub fn largest_file(self, bytes: usize) -> Export {
        Export { largest: bytes.min(LARGEST), ..self }
    }

    /// The model as the contents of a file.
    ///
    /// # Errors
    /// If the function fails, changes something (a model in training mode), or uses ops that ONNX lacks, all of which
    /// are named; with a dynamic batch, if the batch size matters in a way that ONNX cannot follow; if the model is too
    /// large for one file.
    pub fn to_bytes(&self, f: Function) -> Result<Vec<u8>> {
        let message = self.message(f)?;
        let size = message.encoded_len();
        match size <= self.largest {
            true => Ok(message.encode_to_vec()),
            false => Err(fail(format!("takes {size} bytes, more than a file of ONNX can hold: write it with to_file"))),
        }
    }

    /// Writes the model; the file is there as a whole or not at all. Parameters that are too large for it are written
    /// to a second file beside it, with `.data` after its name.
    ///
    /// # Errors
    /// As [`Export::to_bytes`], and if a file cannot be written.
    pub fn to_file(&self, path: impl AsRef<Path>, f: Function) -> Result<()> {
        let path = path.as_ref();
        let mut message = self.message(f)?;
        if message.encoded_len() > self.largest {
            self.external(path, &mut message)?;
        }
        atomic::write(path, |file| file.write_all(&message.encode_to_vec()))
    }

    /// Moves the elements of initializers to a second file.
    fn external(&self, path: &Path, message: &mut wire::Model) -> Result<()> {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(Error::file(path, "has no name that ONNX can refer to"));
        };
        let location = format!("{name}.data");
        let graph = message.graph.as_mut().expect("a graph has just been made");
        let mut data: Vec<u8> = Vec::new();
        for tensor in &mut graph.initializers {
            // Sizes of shapes and the like stay readable where they are.
            if tensor.raw.len() < 1024 {
                continue;
            }
            data.resize(data.len().next_multiple_of(4096), 0);
            let entry = |key: &str, value: String| wire::Entry { key: key.into(), value };
            tensor.external = vec![
                entry("location", location.clone()),
                entry("offset", data.len().to_string()),
                entry("length", tensor.raw.len().to_string()),
            ];
            tensor.location = 1;
            data.extend_from_slice(&std::mem::take(&mut tensor.raw));
        }
        atomic::write(path.with_file_name(location), |file| file.write_all(&data))
    }

    fn message(&self, f: Function) -> Result<wire::Model> {
        let trace = |metas: &[Meta]| describe(&Graph::of(metas, f)?).map_err(|e| fail(e.to_string()));
        let metas: Vec<Meta> = self.inputs.iter().map(|(_, meta)| meta.clone()).collect();
        let (nodes, batch) =
            if self.dynamic_batch { Batch::of(&metas, &trace)? } else { (trace(&metas)?, Batch::fixed()) };
        self.check_names(&nodes)?;
        let mut metadata = self.metadata.clone();
        metadata.push(("hadal.version".into(), env!("CARGO_PKG_VERSION").into()));
        write::model(&nodes, &batch, &self.names(&nodes), metadata)
    }

    fn check_names(&self, nodes: &Nodes) -> Result<()> {
        if !self.outputs.is_empty() && self.outputs.len() != nodes.outputs.len() {
            let message = format!(
                "has {} results, and names for {} were given: {:?}",
                nodes.outputs.len(),
                self.outputs.len(),
                self.outputs
            );
            return Err(fail(message));
        }
        let names = self.names(nodes);
        let all: Vec<&String> = names.0.iter().chain(&names.1).collect();
        match all.iter().enumerate().find(|(i, name)| name.is_empty() || all[..*i].contains(name)) {
            Some((_, name)) => Err(fail(format!("needs different names for inputs and outputs, got `{name}`"))),
            None => Ok(()),
        }
    }

    /// Of inputs and outputs.
    fn names(&self, nodes: &Nodes) -> (Vec<String>, Vec<String>) {
        let inputs = self.inputs.iter().map(|(name, _)| name.clone()).collect();
        let outputs = match (&self.outputs[..], nodes.outputs.len()) {
            ([], 1) => vec!["output".to_owned()],
            ([], n) => (0..n).map(|i| format!("output{i}")).collect(),
            (given, _) => given.to_vec(),
        };
        (inputs, outputs)
    }
}

fn fail(message: String) -> Error {
    Error::invalid(format!("ONNX export: {message}"))
}
