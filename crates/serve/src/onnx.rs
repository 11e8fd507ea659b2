//! ONNX models, as something to serve.

use crate::datatype::Datatype;
use crate::servable::{Form, Port, Servable, Signature};
use hadal::{Error, Result, Tensor, no_grad};
use hadal_onnx::{CompiledModel, Dimension, ElementType, Model, Type, Value};
use std::path::Path;

/// An ONNX model with its signature.
pub struct OnnxModel {
    model: CompiledModel,
    signature: Signature,
    /// The types of the inputs, of which tensors here have only the storage.
    elements: Vec<ElementType>,
}

impl OnnxModel {
    /// Reads a model file.
    ///
    /// Requests share a batch if the first axis of all inputs and outputs is declared under one name (`batch`), which
    /// says that each sample is computed by itself.
    ///
    /// # Errors
    /// When the file cannot be read, uses operators that are not supported, or takes or gives what the protocol has no
    /// tensors for.
    pub fn read(path: &Path) -> Result<OnnxModel> {
        let model = Model::load(path)?;
        let ports = |ports: &[hadal_onnx::Port], what: &str| -> Result<Vec<(Port, ElementType)>> {
            ports.iter().map(|p| port(p).map_err(|e| Error::file(path, format!("{what} `{}` {e}", p.name)))).collect()
        };
        let (inputs, outputs) = (ports(model.inputs(), "input")?, ports(model.outputs(), "output")?);
        let (inputs, elements): (Vec<Port>, Vec<ElementType>) = inputs.into_iter().unzip();
        let signature = Signature {
            platform: "onnx".into(),
            inputs,
            outputs: outputs.into_iter().map(|(port, _)| port).collect(),
            batched: has_batch(&model),
            takes_images: false,
            labels: Vec::new(),
            probabilities: None,
        };
        Ok(OnnxModel { model: model.compiled(), signature, elements })
    }
}

/// The form of a tensor of the model, and its element type.
fn port(port: &hadal_onnx::Port) -> Result<(Port, ElementType)> {
    let Some(Type::Tensor { element, shape: Some(shape) }) = &port.r#type else {
        return Err(Error::invalid("is not declared as a tensor with a number of axes"));
    };
    let datatype = datatype(*element).ok_or_else(|| Error::invalid(format!("has elements of type {element}")))?;
    let size = |dimension: &Dimension| match dimension {
        Dimension::Fixed(size) => Some(*size),
        Dimension::Named(_) | Dimension::Unknown => None,
    };
    let form = Form { datatype, shape: shape.iter().map(size).collect() };
    Ok((Port { name: port.name.clone(), forms: vec![form] }, *element))
}

fn datatype(element: ElementType) -> Option<Datatype> {
    Some(match element {
        ElementType::Bool => Datatype::Bool,
        ElementType::U8 => Datatype::Uint8,
        ElementType::I8 => Datatype::Int8,
        ElementType::U16 => Datatype::Uint16,
        ElementType::I16 => Datatype::Int16,
        ElementType::U32 => Datatype::Uint32,
        ElementType::I32 => Datatype::Int32,
        ElementType::U64 => Datatype::Uint64,
        ElementType::I64 => Datatype::Int64,
        ElementType::F16 => Datatype::Fp16,
        ElementType::BF16 => Datatype::Bf16,
        ElementType::F32 => Datatype::Fp32,
        ElementType::F64 => Datatype::Fp64,
        _ => return None,
    })
}

/// Whether the first axis of all inputs and outputs has one name.
fn has_batch(model: &Model) -> bool {
    let first = |port: &hadal_onnx::Port| match &port.r#type {
        Some(Type::Tensor { shape: Some(shape), .. }) => match shape.first() {
            Some(Dimension::Named(name)) => Some(name.clone()),
            _ => None,
        },
        _ => None,
    };
    let mut names = model.inputs().iter().chain(model.outputs()).map(first);
    match names.next() {
        Some(Some(name)) => names.all(|other| other.as_ref() == Some(&name)),
        _ => false,
    }
}

impl Servable for OnnxModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let names = self.signature.inputs.iter().map(|port| port.name.as_str());
        let values = inputs.iter().zip(&self.elements).map(|(tensor, &element)| Value::typed(tensor, element));
        let named: Vec<(&str, Value)> = names.zip(values.collect::<Result<Vec<_>>>()?).collect();
        let outputs = no_grad(|| self.model.run(&named))?;
        let tensor = |(value, port): (Value, &Port)| {
            let name = &port.name;
            value.tensor().cloned().ok_or_else(|| Error::invalid(format!("output `{name}` is no tensor of numbers")))
        };
        outputs.into_iter().zip(&self.signature.outputs).map(tensor).collect()
    }
}
