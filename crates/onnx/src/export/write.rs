//! From nodes to the messages of a file.

use super::batch::{Batch, Follows, Size};
use crate::wire;
use bytes::Bytes;
use hadal_core::onnx::{Attribute, Node, Nodes, OPSET, Origin, Value};
use hadal_core::{Error, Meta, Result, Tensor};
use std::collections::{HashMap, HashSet};

/// The version of the file format that belongs to [`OPSET`].
const IR_VERSION: i64 = 10;

/// What is gathered while a graph is written.
struct Writer<'a> {
    nodes: &'a Nodes,
    batch: &'a Batch,
    names: HashMap<Value, String>,
    taken: HashSet<String>,
    /// The name of a constant by type, shape and bytes.
    constants: HashMap<(i32, Vec<i64>, Vec<u8>), String>,
    graph: wire::Graph,
    /// The vector that holds the batch size.
    batch_size: Option<String>,
}

/// A model with these names of inputs and outputs.
pub(super) fn model(
    nodes: &Nodes,
    batch: &Batch,
    (inputs, outputs): &(Vec<String>, Vec<String>),
    metadata: Vec<(String, String)>,
) -> Result<wire::Model> {
    let taken = inputs.iter().chain(outputs).cloned().collect();
    let graph = wire::Graph { name: "hadal".into(), ..Default::default() };
    let (names, constants) = Default::default();
    let mut writer = Writer { nodes, batch, names, taken, constants, graph, batch_size: None };
    writer.inputs(inputs)?;
    writer.givens()?;
    writer.outputs(outputs)?;
    for node in &nodes.nodes {
        writer.node(node);
    }
    writer.copies(outputs);
    Ok(wire::Model {
        ir_version: IR_VERSION,
        producer_name: "hadal".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(Box::new(writer.graph)),
        opset_import: vec![wire::OperatorSet { domain: String::new(), version: OPSET }],
        metadata: metadata.into_iter().map(|(key, value)| wire::Entry { key, value }).collect(),
        functions: Vec::new(),
    })
}

fn element(meta: &Meta) -> i32 {
    hadal_core::onnx::element_code(meta.dtype)
}

fn tensor(tensor: &Tensor, name: String) -> wire::Tensor {
    let sizes = tensor.shape().iter().map(|&n| n as i64).collect();
    let raw = Bytes::from(tensor.to_bytes());
    wire::Tensor { name, sizes, element: element(&tensor.meta()), raw, ..Default::default() }
}

fn attribute(name: &str, value: &Attribute) -> wire::Attribute {
    use wire::AttributeKind as Kind;
    let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let mut made = wire::Attribute { name: name.into(), ..Default::default() };
    let kind = match value {
        Attribute::Int(n) => {
            made.int = *n;
            Kind::Int
        }
        Attribute::Float(x) => {
            made.float = *x;
            Kind::Float
        }
        Attribute::Text(word) => {
            made.string = text(word);
            Kind::String
        }
        Attribute::Ints(list) => {
            made.ints = list.clone();
            Kind::Ints
        }
        Attribute::Texts(list) => {
            made.strings = list.iter().map(|word| text(word)).collect();
            Kind::Strings
        }
    };
    made.kind = kind as i32;
    made
}

/// A declared type; sizes that follow the batch have a name or none.
fn declared(name: &str, meta: &Meta, sizes: Option<&[Size]>) -> wire::ValueInfo {
    use wire::dimension::Size as Known;
    let known = |i: usize, n: usize| match sizes.map(|sizes| sizes[i]) {
        None | Some(Size { slope: 0, .. }) => Some(Known::Number(n as i64)),
        Some(Size { slope: 1, rest: 0 }) => Some(Known::Name("batch".into())),
        Some(_) => None,
    };
    let dimensions = meta.shape.iter().enumerate().map(|(i, &n)| wire::Dimension { size: known(i, n) }).collect();
    let shape = Some(wire::ShapeType { dimensions });
    let kind = Some(wire::TypeKind::Tensor(wire::TensorType { element: element(meta), shape }));
    wire::ValueInfo { name: name.into(), r#type: Some(wire::Type { kind }) }
}

impl Writer<'_> {
    /// The name itself, or with a number if it is taken.
    fn free(&mut self, name: &str) -> String {
        let numbered = (1..).map(|i| format!("{name}_{i}"));
        let found = [name.to_owned()].into_iter().chain(numbered).find(|name| !self.taken.contains(name));
        let found = found.expect("numbers do not end");
        self.taken.insert(found.clone());
        found
    }

    fn push(&mut self, operator: &str, inputs: Vec<String>, attributes: Vec<wire::Attribute>, name: &str) -> String {
        let output = self.free(name);
        let node = wire::Node {
            name: output.clone(),
            operator: operator.into(),
            inputs,
            outputs: vec![output.clone()],
            attributes,
            ..Default::default()
        };
        self.graph.nodes.push(node);
        output
    }

    fn inputs(&mut self, names: &[String]) -> Result<()> {
        for (&value, name) in self.nodes.inputs.iter().zip(names) {
            let meta = self.nodes.meta(value).expect("inputs have shapes");
            let mut sizes: Vec<Size> = meta.shape.iter().map(|&n| Size { slope: 0, rest: n as i64 }).collect();
            if let Some(first) = sizes.first_mut() {
                *first = Size { slope: 1, rest: 0 };
            }
            let info = declared(name, meta, self.batch.open.then_some(&sizes));
            self.graph.inputs.push(info);
            self.names.insert(value, name.clone());
        }
        Ok(())
    }

    /// Parameters and constants, as initializers or as what follows the batch size.
    fn givens(&mut self) -> Result<()> {
        // Parameters first, so that no constant takes the name of one.
        let (parameters, constants): (Vec<Value>, Vec<Value>) = self
            .nodes
            .givens()
            .into_iter()
            .partition(|value| matches!(self.nodes.values[value.0].0, Origin::Parameter(_)));
        for value in parameters {
            let Origin::Parameter(param) = &self.nodes.values[value.0].0 else { unreachable!("chosen above") };
            let name = if param.is_named() { self.free(param.name()) } else { self.free("parameter") };
            self.graph.initializers.push(tensor(&param.get(), name.clone()));
            self.names.insert(value, name);
        }
        for value in constants {
            let Origin::Constant(constant) = &self.nodes.values[value.0].0 else { unreachable!("chosen above") };
            let name = match self.batch.constants.get(&value) {
                None => self.constant(constant),
                Some(Follows::Integers(sizes)) => self.integers(value, sizes)?,
                Some(Follows::Filled(number, shape)) => {
                    let (number, shape) = (self.constant(number), self.vector(shape)?);
                    self.push("Expand", vec![number, shape], Vec::new(), "filled")
                }
            };
            self.names.insert(value, name);
        }
        Ok(())
    }

    fn constant(&mut self, constant: &Tensor) -> String {
        let message = tensor(constant, String::new());
        let key = (message.element, message.sizes.clone(), message.raw.to_vec());
        if let Some(name) = self.constants.get(&key) {
            return name.clone();
        }
        let name = self.free("constant");
        self.graph.initializers.push(wire::Tensor { name: name.clone(), ..message });
        self.constants.insert(key, name.clone());
        name
    }

    /// A vector of integers that follows the batch size: in a reshape, one such size need not be known.
    fn integers(&mut self, value: Value, sizes: &[Size]) -> Result<String> {
        let is_shape = |node: &Node| node.operator == "Reshape" && node.inputs.get(1) == Some(&value);
        let mut readers = self.nodes.nodes.iter().filter(|node| node.inputs.contains(&value));
        let open = sizes.iter().filter(|size| size.slope != 0).count();
        if open == 1 && readers.all(is_shape) && sizes.iter().all(|size| size.slope != 0 || size.rest != 0) {
            let numbers: Vec<i64> = sizes.iter().map(|size| if size.slope == 0 { size.rest } else { -1 }).collect();
            return Ok(self.constant(&Tensor::from_slice(&numbers)));
        }
        self.vector(sizes)
    }

    /// Nodes that compute the sizes.
    fn vector(&mut self, sizes: &[Size]) -> Result<String> {
        let mut parts = Vec::new();
        for group in sizes.chunk_by(|a, b| a.slope == 0 && b.slope == 0) {
            let part = match group {
                [Size { slope: slope @ 1.., rest }] | [Size { slope: slope @ ..=-1, rest }] => {
                    let mut size = self.batch_size()?;
                    if *slope != 1 {
                        let factor = self.constant(&Tensor::from([*slope]));
                        size = self.push("Mul", vec![size, factor], Vec::new(), "size");
                    }
                    if *rest != 0 {
                        let term = self.constant(&Tensor::from([*rest]));
                        size = self.push("Add", vec![size, term], Vec::new(), "size");
                    }
                    size
                }
                fixed => self.constant(&Tensor::from_slice(&fixed.iter().map(|size| size.rest).collect::<Vec<_>>())),
            };
            parts.push(part);
        }
        match &parts[..] {
            [only] => Ok(only.clone()),
            _ => Ok(self.push("Concat", parts, vec![attribute("axis", &Attribute::Int(0))], "sizes")),
        }
    }

    fn batch_size(&mut self) -> Result<String> {
        if let Some(name) = &self.batch_size {
            return Ok(name.clone());
        }
        let Some(input) = self.graph.inputs.first().map(|input| input.name.clone()) else {
            return Err(Error::invalid("a dynamic batch needs an input"));
        };
        let first = vec![attribute("start", &Attribute::Int(0)), attribute("end", &Attribute::Int(1))];
        let name = self.push("Shape", vec![input], first, "batch_size");
        self.batch_size = Some(name.clone());
        Ok(name)
    }

    /// Declares the outputs, and gives their names to the values that nodes make.
    fn outputs(&mut self, names: &[String]) -> Result<()> {
        for (i, (&value, name)) in self.nodes.outputs.iter().zip(names).enumerate() {
            let meta = self.nodes.meta(value).ok_or_else(|| Error::invalid(format!("`{name}` has no known shape")))?;
            let sizes = self.batch.outputs.get(i).map(Vec::as_slice);
            self.graph.outputs.push(declared(name, meta, sizes));
            let made = matches!(self.nodes.values[value.0].0, Origin::Node);
            if made && !self.names.contains_key(&value) {
                self.names.insert(value, name.clone());
            }
        }
        Ok(())
    }

    /// Outputs that are inputs, constants, or other outputs once more.
    fn copies(&mut self, names: &[String]) {
        for (value, output) in self.nodes.outputs.iter().zip(names) {
            let source = self.names[value].clone();
            if source != *output {
                let name = self.free("Identity");
                let (inputs, outputs, operator) = (vec![source], vec![output.clone()], "Identity".into());
                self.graph.nodes.push(wire::Node { name, operator, inputs, outputs, ..Default::default() });
            }
        }
    }

    fn node(&mut self, node: &Node) {
        let title = match &node.module {
            Some(module) => format!("{module}.{}", node.operator),
            None => node.operator.to_owned(),
        };
        let name = self.free(&title);
        let outputs = node.outputs.iter().enumerate().map(|(i, value)| match self.names.get(value) {
            Some(name) => name.clone(),
            None => {
                let output = self.free(&if i == 0 { format!("{name}.out") } else { format!("{name}.out{i}") });
                self.names.insert(*value, output.clone());
                output
            }
        });
        let outputs = outputs.collect();
        let of = |value: &Value| if *value == Value::OMITTED { String::new() } else { self.names[value].clone() };
        let mut inputs: Vec<String> = node.inputs.iter().map(of).collect();
        while inputs.last().is_some_and(String::is_empty) {
            inputs.pop();
        }
        let attributes = node.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
        let operator = node.operator.into();
        self.graph.nodes.push(wire::Node { name, operator, inputs, outputs, attributes, ..Default::default() });
    }
}
