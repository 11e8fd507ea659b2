//! ONNX models, as something to serve.

use crate::datatype::Datatype;
use crate::servable::{Form, Port, Servable, Signature};
use hadal::{DType, Error, Result, Tensor, no_grad};
use hadal_onnx::{CompiledModel, Dimension, ElementType, Model, Type, Value};
use std::path::Path;

/// A model from an ONNX file with its signature.
pub struct OnnxModel {
    model: CompiledModel,
    signature: Signature,
    /// The types of the inputs' elements.
    elements: Vec<ElementType>,
    /// Which of the model's outputs are given: those that are tensors of numbers.
    outputs: Vec<usize>,
}

/// A tensor's type as the server needs it.
struct Declared {
    element: ElementType,
    datatype: Datatype,
    /// The name of axis 0, if it has one.
    first: Option<String>,
    shape: Vec<Option<usize>>,
}

impl OnnxModel {
    /// Reads a model.
    ///
    /// # Errors
    /// When the file cannot be read, or an input is something else than a tensor of numbers with a known number of axes.
    pub fn read(path: &Path) -> Result<OnnxModel> {
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        // From memory, so that nothing that happens to the file later matters; but tensors in other files are found from
        // its path only.
        let model = Model::from_bytes(bytes).or_else(|_| Model::load(path))?;
        OnnxModel::new(model, path)
    }

    fn new(model: Model, path: &Path) -> Result<OnnxModel> {
        let inputs = model.inputs().iter().map(|port| {
            declared(port.r#type.as_ref()).ok_or_else(|| {
                let found = port.r#type.as_ref().map_or("of no declared type".to_owned(), Type::to_string);
                let message = format!("input `{}` is {found}; only tensors of numbers can be served", port.name);
                Error::file(path, message)
            })
        });
        let inputs: Vec<Declared> = inputs.collect::<Result<_>>()?;
        let outputs = model.outputs().iter().enumerate();
        let outputs: Vec<(usize, Declared)> =
            outputs.filter_map(|(i, port)| Some((i, declared(port.r#type.as_ref())?))).collect();
        if outputs.is_empty() || inputs.is_empty() {
            return Err(Error::file(path, "has no input, or no output that is a tensor of numbers"));
        }
        let form = |declared: &Declared| vec![Form { datatype: declared.datatype, shape: declared.shape.clone() }];
        let input =
            |(port, declared): (&hadal_onnx::Port, &Declared)| Port { name: port.name.clone(), forms: form(declared) };
        let output =
            |(i, declared): &(usize, Declared)| Port { name: model.outputs()[*i].name.clone(), forms: form(declared) };
        let named = is_batch(inputs.iter().chain(outputs.iter().map(|(_, declared)| declared)));
        let signature = Signature {
            platform: "onnx".into(),
            inputs: model.inputs().iter().zip(&inputs).map(input).collect(),
            outputs: outputs.iter().map(output).collect(),
            batched: false,
            takes_images: false,
            labels: Vec::new(),
            probabilities: None,
        };
        let elements = inputs.into_iter().map(|declared| declared.element).collect();
        let outputs = outputs.into_iter().map(|(i, _)| i).collect();
        let mut served = OnnxModel { elements, outputs, model: model.compiled(), signature };
        served.signature.batched = named && served.keeps_samples_apart();
        Ok(served)
    }

    /// Whether a sample has the same result alone and beside others, tried on two.
    fn keeps_samples_apart(&self) -> bool {
        let input = |port: &Port| {
            let form = &port.forms[0];
            let shape: Vec<usize> =
                [2].into_iter().chain(form.shape[1..].iter().map(|size| size.unwrap_or(1))).collect();
            let elements = shape.iter().product::<usize>();
            let values = (0..elements).map(|i| ((i * 7919) % 1013) as f32 / 1013.0).collect();
            // Integers become zeros, which are in range as indices of anything.
            Tensor::try_from_vec::<f32>(values, shape)?.try_to_dtype(form.datatype.dtype().unwrap_or(DType::F32))
        };
        let apart = || {
            let both = self.signature.inputs.iter().map(input).collect::<Result<Vec<_>>>()?;
            let second = both.iter().map(|x| x.try_narrow(0, 1, 1)).collect::<Result<Vec<_>>>()?;
            let outputs = self.infer(&both)?.into_iter().zip(self.infer(&second)?);
            let same = |(both, second): (Tensor, Tensor)| {
                Ok(both.shape().first() == Some(&2) && both.try_narrow(0, 1, 1)?.to_bytes() == second.to_bytes())
            };
            outputs.map(same).collect::<Result<Vec<bool>>>()
        };
        apart().is_ok_and(|same| same.into_iter().all(|same| same))
    }
}

/// Whether axis 0 of all these tensors is called the batch, by one name. An axis of any size is not enough: it may be that of
/// the words of a sentence.
fn is_batch<'a>(mut tensors: impl Iterator<Item = &'a Declared>) -> bool {
    let Some(name) = tensors.next().and_then(|first| first.first.clone()) else { return false };
    let lower = name.to_ascii_lowercase();
    (lower == "n" || lower.contains("batch")) && tensors.all(|tensor| tensor.first.as_ref() == Some(&name))
}

fn declared(declared: Option<&Type>) -> Option<Declared> {
    let Some(Type::Tensor { element, shape: Some(shape) }) = declared else { return None };
    let size = |dimension: &Dimension| match dimension {
        Dimension::Fixed(size) => Some(*size),
        Dimension::Named(_) | Dimension::Unknown => None,
    };
    let first = match shape.first() {
        Some(Dimension::Named(name)) => Some(name.clone()),
        _ => None,
    };
    let datatype = match element {
        ElementType::U16 => Datatype::Uint16,
        ElementType::I16 => Datatype::Int16,
        ElementType::U32 => Datatype::Uint32,
        ElementType::U64 => Datatype::Uint64,
        element => Datatype::of(element.storage().filter(|&storage| ElementType::of(storage) == *element)?),
    };
    Some(Declared { element: *element, datatype, first, shape: shape.iter().map(size).collect() })
}

impl Servable for OnnxModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let ports = self.signature.inputs.iter().zip(&self.elements);
        let named: Vec<(&str, Value)> = ports
            .zip(inputs)
            .map(|((port, &element), tensor)| (port.name.as_str(), Value::Tensor(tensor.clone(), element)))
            .collect();
        let outputs = no_grad(|| self.model.run(&named))?;
        let tensor = |&i: &usize| {
            outputs[i].tensor().cloned().ok_or_else(|| {
                let name = &self.model.model().outputs()[i].name;
                Error::invalid(format!("output `{name}` is no tensor of numbers, although the model declares one"))
            })
        };
        self.outputs.iter().map(tensor).collect()
    }
}
