//! A loaded model.

use crate::decode::printable;
use crate::external::{External, map};
use crate::graph::Graph;
use crate::load::Loader;
use crate::types::{Port, Type};
use crate::{Value, wire};
use bytes::Bytes;
use hadal_core::{Error, Module, Result, Visitor};
use prost::Message;
use std::collections::HashMap;
use std::path::Path;

/// An ONNX model, ready to run.
///
/// Its float initializers are [parameters](hadal_core::Param) (running statistics of batch normalizations are buffers),
/// under their names in the file, so that a model can be trained further as any other
/// [`Module`](hadal_core::Module): what [`Model::run`] returns has gradients. For inference without the memory that
/// gradients need, call it in [`no_grad`](hadal_core::no_grad).
pub struct Model {
    graph: Graph,
    inputs: Vec<Port>,
    /// The position of each of `inputs` among those of the graph.
    positions: Vec<usize>,
    outputs: Vec<Port>,
    parameters: Vec<(String, hadal_core::Param)>,
    metadata: Vec<(String, String)>,
    /// For each output the operator that makes it.
    makers: Vec<Option<String>>,
}

impl Model {
    /// Loads a model from a file. Tensors that are kept in other files must be below the file's folder.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged, or uses what is not supported: all such operators are listed at once.
    pub fn load(path: impl AsRef<Path>) -> Result<Model> {
        let path = path.as_ref();
        let external = External::beside(path);
        Model::decode(map(path)?, Some(&external)).map_err(|e| Error::file(path, e))
    }

    /// Loads a model from the contents of a file.
    ///
    /// # Errors
    /// As [`Model::load`]; also if tensors are kept in other files.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Model> {
        Model::decode(bytes.into(), None).map_err(|e| Error::invalid(format!("ONNX model: {e}")))
    }

    fn decode(bytes: Bytes, external: Option<&External>) -> Result<Model> {
        let message = wire::Model::decode(bytes).map_err(|e| Error::invalid(format!("is no ONNX model: {e}")))?;
        let mut loader = Loader::new(&message, external);
        let graph = loader.model(&message)?;
        let parameters = loader.parameters;
        let declared = message.graph.as_ref().map(|g| (&g.inputs[..], &g.outputs[..])).unwrap_or_default();
        let all = declared.0.iter().map(Model::port).collect::<Result<Vec<_>>>()?;
        let makers = message.graph.as_deref().map(makers).unwrap_or_default();
        let constant = |i: &usize| graph.constants.iter().any(|c| c.0 == graph.inputs[*i]);
        let positions: Vec<usize> = (0..all.len()).filter(|i| !constant(i)).collect();
        Ok(Model {
            inputs: positions.iter().map(|&i| all[i].clone()).collect(),
            positions,
            outputs: declared.1.iter().map(Model::port).collect::<Result<_>>()?,
            graph,
            parameters,
            makers,
            metadata: message.metadata.into_iter().map(|e| (e.key, e.value)).collect(),
        })
    }

    fn port(message: &wire::ValueInfo) -> Result<Port> {
        let named = |e: Error| Error::invalid(format!("`{}`: {e}", printable(&message.name)));
        let r#type = match &message.r#type {
            Some(wire::Type { kind: None }) | None => None,
            Some(declared) => Some(Type::of(declared).map_err(named)?),
        };
        Ok(Port { name: message.name.clone(), r#type })
    }

    /// The inputs that [`Model::run`] needs: those without an initial value.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The outputs, in the order in which [`Model::run`] returns them.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// What the model's author wrote about it: keys and values.
    pub fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    /// The operator that makes an output, such as `Softmax`; behind it there may be some that move elements only.
    pub fn made_by(&self, output: usize) -> Option<&str> {
        self.makers.get(output)?.as_deref()
    }

    /// The outputs for these inputs, which are named as in [`Model::inputs`].
    ///
    /// # Errors
    /// If an input is missing, unknown, or of another type or shape than declared; or if an operator does not admit what
    /// it gets.
    pub fn run(&self, inputs: &[(&str, Value)]) -> Result<Vec<Value>> {
        self.run_checked(self.checked(inputs)?)
    }

    /// The inputs in the graph's order, after all checks.
    pub(crate) fn checked(&self, inputs: &[(&str, Value)]) -> Result<Vec<Option<Value>>> {
        let mut values = vec![None; self.graph.inputs.len()];
        let mut sizes = HashMap::new();
        for (name, value) in inputs {
            let Some(i) = self.inputs.iter().position(|port| port.name == *name) else {
                let known: Vec<_> = self.inputs.iter().map(|port| printable(&port.name)).collect();
                return Err(Error::invalid(format!("the model has no input `{name}`; its inputs are {known:?}")));
            };
            if let Some(problem) = self.inputs[i].r#type.as_ref().and_then(|t| t.refuses(value, &mut sizes)) {
                return Err(Error::invalid(format!("input `{name}` {problem}")));
            }
            values[self.positions[i]] = Some(value.clone());
        }
        let missing = |(port, &i): (&Port, &usize)| values[i].is_none().then(|| printable(&port.name));
        let missing: Vec<_> = self.inputs.iter().zip(&self.positions).filter_map(missing).collect();
        if !missing.is_empty() {
            return Err(Error::invalid(format!("the model needs a value for {missing:?}")));
        }
        Ok(values)
    }

    pub(crate) fn run_checked(&self, values: Vec<Option<Value>>) -> Result<Vec<Value>> {
        // Also what an operation finds wrong without a fallible form, such as reading a value while a graph is traced.
        hadal_core::attempt(|| self.graph.run(values, &[]))?
    }

    /// Reads a value that was saved by itself, as in the test data of ONNX: a tensor, a sequence or an optional value,
    /// as `declared` says.
    pub fn read_value(bytes: Vec<u8>, declared: &Type) -> Result<Value> {
        let bytes = Bytes::from(bytes);
        let damaged = |e: prost::DecodeError| Error::invalid(format!("is no saved value: {e}"));
        match declared {
            Type::Tensor { .. } => crate::decode::tensor(&wire::Tensor::decode(bytes).map_err(damaged)?, None),
            Type::Sequence(_) => crate::decode::sequence(&wire::SequenceValue::decode(bytes).map_err(damaged)?),
            Type::Map { .. } => Err(Error::invalid("saved maps are not supported")),
            Type::Optional(_) => crate::decode::optional(&wire::OptionalValue::decode(bytes).map_err(damaged)?),
        }
    }
}

impl Module for Model {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (name, param) in &self.parameters {
            visitor.enter(name);
            visitor.param(param);
            visitor.leave();
        }
    }
}

/// The operators that make the outputs of a graph, seen through those that leave elements as they are.
fn makers(graph: &wire::Graph) -> Vec<Option<String>> {
    let moves = ["Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze"];
    let maker = |output: &wire::ValueInfo| {
        let mut name = &output.name;
        // Nodes stand behind those that they read from.
        for node in graph.nodes.iter().rev().filter(|node| !node.outputs.is_empty()) {
            if node.outputs.contains(name) {
                match moves.contains(&node.operator.as_str()) {
                    true => name = node.inputs.first()?,
                    false => return Some(node.operator.clone()),
                }
            }
        }
        None
    };
    graph.outputs.iter().map(maker).collect()
}
