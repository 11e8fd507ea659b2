//! ONNX models, as something to serve.

use crate::about::About;
use crate::data::Data;
use crate::datatype::Datatype;
use crate::options::Rounding;
use crate::preparation::Preparation;
use crate::servable::{Form, Port, Servable, Signature, numbers};
use crate::slices;
use hadal::data::preprocessing::{Preprocessing, Scale};
use hadal::{DType, Error, Result, Tensor, attempt, no_grad};
use hadal_onnx::{CompiledModel, Dimension, ElementType, Model, Type, Value};
use std::path::Path;

/// A model from an ONNX file with its signature.
pub struct OnnxModel {
    model: CompiledModel,
    /// The model's own inputs; clients may send others.
    inputs: Vec<Declared>,
    /// Which of the model's outputs are given: those that are tensors of numbers.
    outputs: Vec<usize>,
    preparation: Option<Preparation>,
    /// An output before the model's own.
    prediction: Option<Prediction>,
    signature: Signature,
}

/// A tensor's type as the server needs it.
struct Declared {
    name: String,
    element: ElementType,
    form: Form,
    /// The name of axis 0, if it has one.
    first: Option<String>,
}

/// What is made of one of the given outputs for clients that do not know how the model was trained.
enum Prediction {
    /// Probabilities, from logits.
    Softmax(usize),
    /// Numbers in the units of the training data.
    Unscaled(Scale),
}

/// The operators whose results are probabilities already.
const PROBABLE: [&str; 4] = ["Softmax", "Sigmoid", "Normalizer", "TreeEnsembleClassifier"];

impl OnnxModel {
    /// Reads a model.
    ///
    /// # Errors
    /// When the file cannot be read, an input is something else than a tensor of numbers with a known number of axes, or
    /// labels or preprocessing do not fit the model.
    pub fn read(path: &Path, rounding: Rounding) -> Result<OnnxModel> {
        let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        // From memory, so that nothing that happens to the file later matters; but tensors in other files are found from
        // its path only.
        let model = Model::from_bytes(bytes).or_else(|_| Model::load(path))?;
        let about = About::read(path, model.metadata())?;
        OnnxModel::new(model, about, rounding).map_err(|e| Error::file(path, e))
    }

    fn new(model: Model, about: About, rounding: Rounding) -> Result<OnnxModel> {
        let inputs = model.inputs().iter().map(|port| {
            declared(port).ok_or_else(|| {
                let found = port.r#type.as_ref().map_or("of no declared type".to_owned(), Type::to_string);
                Error::invalid(format!("input `{}` is {found}; only tensors of numbers can be served", port.name))
            })
        });
        let inputs: Vec<Declared> = inputs.collect::<Result<_>>()?;
        let outputs = model.outputs().iter().enumerate();
        let outputs: Vec<(usize, Declared)> = outputs.filter_map(|(i, port)| Some((i, declared(port)?))).collect();
        if outputs.is_empty() || inputs.is_empty() {
            return Err(Error::invalid("has no input, or no output that is a tensor of numbers"));
        }
        let port = |declared: &Declared| Port { name: declared.name.clone(), forms: vec![declared.form.clone()] };
        let own: Vec<Port> = inputs.iter().map(port).collect();
        let mut given: Vec<Port> = outputs.iter().map(|(_, declared)| port(declared)).collect();
        let scale = about.preprocessing.as_ref().and_then(Preprocessing::scale);
        let preparation = match (about.preprocessing, &own[..]) {
            (None, _) => None,
            (Some(preprocessing), [one]) => Some(Preparation::new(preprocessing, one)?),
            (Some(_), _) => return Err(Error::invalid("has a preprocessing, which is for models of one input")),
        };
        let classes = class_output(&given, about.labels.len())?;
        let probable = |at: usize| model.made_by(outputs[at].0).is_some_and(|by| PROBABLE.contains(&by));
        let prediction = match (classes, scale) {
            (Some(at), _) if !probable(at) => Some(("probabilities", given[at].forms.clone(), Prediction::Softmax(at))),
            (None, Some(scale)) => Some(("prediction", given[0].forms.clone(), Prediction::Unscaled(scale))),
            _ => None,
        };
        let probabilities = if prediction.is_some() { classes.map(|_| 0) } else { classes };
        let prediction = prediction.map(|(name, forms, prediction)| {
            given.insert(0, Port { name: unused(name, &given), forms });
            prediction
        });
        let named = is_batch(inputs.iter().chain(outputs.iter().map(|(_, declared)| declared)));
        let signature = Signature {
            platform: "onnx".into(),
            inputs: preparation.as_ref().map_or(own, |preparation| preparation.ports().to_vec()),
            outputs: given,
            batched: false,
            takes_images: preparation.as_ref().is_some_and(Preparation::takes_images),
            labels: about.labels,
            probabilities,
        };
        let outputs = outputs.into_iter().map(|(i, _)| i).collect();
        let model = match rounding {
            Rounding::Exact => model.compiled(),
            Rounding::Inference => model.compiled_for_inference(),
        };
        let mut served = OnnxModel { model, inputs, outputs, preparation, prediction, signature };
        served.signature.batched = named && served.keeps_samples_apart();
        Ok(served)
    }

    /// Whether a sample has the same result alone and beside others, tried on two.
    fn keeps_samples_apart(&self) -> bool {
        let input = |declared: &Declared| {
            let form = &declared.form;
            let shape: Vec<usize> =
                [2].into_iter().chain(form.shape[1..].iter().map(|size| size.unwrap_or(1))).collect();
            let elements = shape.iter().product::<usize>();
            let values = (0..elements).map(|i| ((i * 7919) % 1013) as f32 / 1013.0).collect();
            // Integers become zeros, which are in range as indices of anything.
            Tensor::try_from_vec::<f32>(values, shape)?.try_to_dtype(form.datatype.dtype().unwrap_or(DType::F32))
        };
        let apart = || {
            let both = self.inputs.iter().map(input).collect::<Result<Vec<_>>>()?;
            let second = both.iter().map(|x| x.try_narrow(0, 1, 1)).collect::<Result<Vec<_>>>()?;
            let outputs = self.run(&both)?.into_iter().zip(self.run(&second)?);
            let same = |(both, second): (Tensor, Tensor)| {
                Ok(both.shape().first() == Some(&2) && both.try_narrow(0, 1, 1)?.to_bytes() == second.to_bytes())
            };
            outputs.map(same).collect::<Result<Vec<bool>>>()
        };
        apart().is_ok_and(|same| same.into_iter().all(|same| same))
    }

    /// The outputs that are given.
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let named: Vec<(&str, Value)> = (self.inputs.iter().zip(inputs))
            .map(|(declared, tensor)| (declared.name.as_str(), Value::Tensor(tensor.clone(), declared.element)))
            .collect();
        let outputs = no_grad(|| self.model.run(&named))?;
        let tensor = |&i: &usize| {
            outputs[i].tensor().cloned().ok_or_else(|| {
                let name = &self.model.model().outputs()[i].name;
                Error::invalid(format!("output `{name}` is no tensor of numbers, although the model declares one"))
            })
        };
        let mut given = self.outputs.iter().map(tensor).collect::<Result<Vec<_>>>()?;
        if let Some(prediction) = &self.prediction {
            let made = attempt(|| match prediction {
                Prediction::Softmax(at) => given[*at].softmax(-1),
                Prediction::Unscaled(scale) => scale.undo(&given[0]),
            });
            given.insert(0, made?);
        }
        let classes = self.signature.probabilities.map(|at| given[at].shape().last().copied());
        if classes.is_some_and(|classes| classes != Some(self.signature.labels.len())) {
            let (labels, classes) = (self.signature.labels.len(), classes.flatten().unwrap_or(0));
            return Err(Error::invalid(format!("the model has {labels} labels, but gives {classes} classes")));
        }
        Ok(given)
    }
}

/// The output with an axis of so many classes, if there are labels.
fn class_output(outputs: &[Port], labels: usize) -> Result<Option<usize>> {
    if labels == 0 {
        return Ok(None);
    }
    let fits = |port: &Port| match &port.forms[0].shape[..] {
        [_, .., classes] => classes.is_none_or(|classes| classes == labels),
        _ => false,
    };
    match outputs.iter().position(fits) {
        Some(at) => Ok(Some(at)),
        None => {
            let found: Vec<String> = outputs.iter().map(|port| format!("{:?}: {}", port.name, port.forms[0])).collect();
            Err(Error::invalid(format!(
                "has {labels} labels, but no output with that many classes: {}",
                found.join(", ")
            )))
        }
    }
}

/// `name`, or what comes of it by underscores, so that no other output is called so.
fn unused(name: &str, outputs: &[Port]) -> String {
    let mut name = name.to_owned();
    while outputs.iter().any(|port| port.name == name) {
        name.push('_');
    }
    name
}

/// Whether axis 0 of all these tensors is called the batch, by one name. An axis of any size is not enough: it may be that of
/// the words of a sentence.
fn is_batch<'a>(mut tensors: impl Iterator<Item = &'a Declared>) -> bool {
    let Some(name) = tensors.next().and_then(|first| first.first.clone()) else { return false };
    let lower = name.to_ascii_lowercase();
    (lower == "n" || lower.contains("batch")) && tensors.all(|tensor| tensor.first.as_ref() == Some(&name))
}

/// What the model declares, if it is a tensor of numbers that the protocol has, with a known number of axes.
fn declared(port: &hadal_onnx::Port) -> Option<Declared> {
    let hadal::Port { name, element, shape } = hadal::Port::of(port)?;
    let first = match &port.r#type {
        Some(Type::Tensor { shape: Some(shape), .. }) => shape.first(),
        _ => None,
    };
    let first = first.and_then(|size| if let Dimension::Named(name) = size { Some(name.clone()) } else { None });
    let datatype = match element {
        ElementType::U16 => Datatype::Uint16,
        ElementType::I16 => Datatype::Int16,
        ElementType::U32 => Datatype::Uint32,
        ElementType::U64 => Datatype::Uint64,
        element => Datatype::of(element.storage().filter(|&storage| ElementType::of(storage) == element)?),
    };
    Some(Declared { name, element, form: Form { datatype, shape: shape? }, first })
}

impl Servable for OnnxModel {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn prepare(&self, inputs: Vec<Data>) -> Result<Vec<Tensor>> {
        match &self.preparation {
            Some(preparation) => Ok(vec![preparation.prepare(inputs)?]),
            None => numbers(inputs),
        }
    }

    fn infer(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        match self.signature.batched {
            true => slices::run(inputs, &slices::few(inputs[0].shape()[0]), |inputs| self.run(inputs)),
            false => self.run(inputs),
        }
    }
}
