//! `Predictor`: a model file of either kind, ready to run, with what it takes and gives.

use crate::Trained;
use hadal_core::compile::{Graphs, shapes};
use hadal_core::{DType, Error, Meta, Result, Tensor, attempt, no_grad};
use hadal_data::preprocessing::Preprocessing;
use hadal_data::transforms::Pipeline;
use hadal_onnx::{CompiledModel, Dimension, ElementType, Model, Type, Value};
use std::fmt;
use std::path::Path;

/// How a [`Predictor`] computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Execution {
    /// Compiled for inference: weights are constants, and batch normalization is folded into the convolution before it,
    /// which rounds otherwise.
    #[default]
    Inference,
    /// Compiled, with the bits of the model itself as it was trained.
    Exact,
}

/// A tensor that a model takes or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// The sizes of the axes, `None` where any will do; as a whole `None` where not even their number is known.
    pub shape: Option<Vec<Option<usize>>>,
}

impl Port {
    /// Whether a tensor of this shape can stand here.
    pub fn admits(&self, shape: &[usize]) -> bool {
        self.shape.as_ref().is_none_or(|wanted| {
            let fits = |(wanted, &size): (&Option<usize>, &usize)| wanted.is_none_or(|wanted| wanted == size);
            wanted.len() == shape.len() && wanted.iter().zip(shape).all(fits)
        })
    }

    /// The tensor that an ONNX model declares, if it is one of numbers.
    pub fn of(port: &hadal_onnx::Port) -> Option<Port> {
        let Some(Type::Tensor { element, shape }) = &port.r#type else { return None };
        element.storage()?;
        let size = |dimension: &Dimension| match dimension {
            Dimension::Fixed(size) => Some(*size),
            Dimension::Named(_) | Dimension::Unknown => None,
        };
        let shape = shape.as_ref().map(|shape| shape.iter().map(size).collect());
        Some(Port { name: port.name.clone(), element: *element, shape })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.element)?;
        match &self.shape {
            Some(shape) => {
                let sizes: Vec<String> = shape.iter().map(|n| n.map_or("any".to_owned(), |n| n.to_string())).collect();
                write!(f, "[{}]", sizes.join(", "))
            }
            None => f.write_str("of any shape"),
        }
    }
}

/// A model from a file that `hadal train` wrote, or from an ONNX file, for programs that only want its results: what the
/// C interface and the browser's are made of.
///
/// It can be used from several threads at once. What it takes is traced once for each shape, so that the first call with
/// a new shape takes longer.
///
/// ```no_run
/// use hadal::{Execution, Predictor, Tensor};
/// let digits = Predictor::load("runs/mnist/model.safetensors", Execution::Inference)?;
/// let outputs = digits.run(&[Tensor::zeros([1, 1, 28, 28])])?;
/// println!("{}: {:?}", digits.outputs()[0].name, outputs[0]); // probabilities
/// # Ok::<(), hadal::Error>(())
/// ```
pub struct Predictor {
    model: Kind,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

enum Kind {
    Trained {
        trained: Trained,
        graphs: Graphs,
        /// For images: what pixels go through.
        pixels: Option<Pipeline>,
    },
    Onnx {
        model: CompiledModel,
        /// Which of the model's outputs are given: those that are tensors of numbers.
        given: Vec<usize>,
    },
}

impl Predictor {
    /// Reads a model: a `.safetensors` file that `hadal train` wrote, or an ONNX file, whatever it is called.
    ///
    /// The weights share the mapped file where they can: it must not be overwritten in place meanwhile (renaming
    /// another file over it is fine).
    ///
    /// # Errors
    /// When the file cannot be read, or the model not be run.
    pub fn load(path: impl AsRef<Path>, execution: Execution) -> Result<Predictor> {
        let path = path.as_ref();
        match path.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
            true => Predictor::trained(Trained::read(path)?, execution).map_err(|e| Error::file(path, e)),
            false => Predictor::onnx(Model::load(path)?, execution).map_err(|e| Error::file(path, e)),
        }
    }

    /// Reads a model from the contents of a file, which tell of which kind it is.
    ///
    /// # Errors
    /// As [`Predictor::load`]; also if an ONNX model keeps tensors in other files.
    pub fn from_bytes(bytes: Vec<u8>, execution: Execution) -> Result<Predictor> {
        // A safetensors file starts with the length of its header, in 8 bytes, and the header with a brace; ONNX's first
        // byte is the tag of a field.
        match bytes.get(8) == Some(&b'{') {
            true => Predictor::trained(Trained::from_bytes(bytes)?, execution),
            false => Predictor::onnx(Model::from_bytes(bytes)?, execution),
        }
    }

    fn trained(trained: Trained, execution: Execution) -> Result<Predictor> {
        let sample = trained.preprocessing.shape();
        let dtype = trained.model.input_dtype();
        let one = Meta::new([1].into_iter().chain(sample.iter().copied()).collect::<Vec<_>>(), dtype);
        let metas = no_grad(|| shapes(&[one], &|x| results(&trained, &x[0])))?;
        let classes = trained.labels.len();
        if classes > 0 && metas[0].shape.last() != Some(&classes) {
            let message = format!("has {classes} labels, but its output has shape {}", metas[0].shape);
            return Err(Error::invalid(message));
        }
        let port = |name: &str, dtype, sizes: &[usize]| Port {
            name: name.to_owned(),
            element: ElementType::of(dtype),
            shape: Some([None].into_iter().chain(sizes.iter().map(|&n| Some(n))).collect()),
        };
        let names: &[&str] = if classes > 0 { &["probabilities", "logits"] } else { &["prediction"] };
        let output = |(name, meta): (&&str, &Meta)| port(name, meta.dtype, &meta.shape[1..]);
        let outputs = names.iter().zip(&metas).map(output).collect();
        let inputs = vec![port("input", dtype, &sample)];
        let pixels = match trained.preprocessing {
            Preprocessing::Image { .. } => Some(trained.preprocessing.image()?.1),
            _ => None,
        };
        let graphs = trained.graphs(execution == Execution::Inference);
        Ok(Predictor { model: Kind::Trained { trained, graphs, pixels }, inputs, outputs })
    }

    fn onnx(model: Model, execution: Execution) -> Result<Predictor> {
        let input = |port: &hadal_onnx::Port| {
            Port::of(port).ok_or_else(|| {
                let found = port.r#type.as_ref().map_or("of no declared type".to_owned(), Type::to_string);
                Error::invalid(format!("input `{}` is {found}; only tensors of numbers can be given", port.name))
            })
        };
        let inputs = model.inputs().iter().map(input).collect::<Result<_>>()?;
        let outputs = model.outputs().iter().enumerate();
        let (given, outputs): (Vec<usize>, Vec<Port>) =
            outputs.filter_map(|(i, port)| Some((i, Port::of(port)?))).unzip();
        if outputs.is_empty() {
            return Err(Error::invalid("the model has no output that is a tensor of numbers"));
        }
        let model = match execution {
            Execution::Inference => model.compiled_for_inference(),
            Execution::Exact => model.compiled(),
        };
        Ok(Predictor { model: Kind::Onnx { model, given }, inputs, outputs })
    }

    /// What it takes, in the order of [`run`](Predictor::run)'s inputs. A model that `hadal train` made takes one input:
    /// samples after the preprocessing that is stored with it.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// What it gives, in order: of a model that `hadal train` made, `probabilities` and `logits`, or `prediction` in the
    /// units of the table; of an ONNX model, the outputs that are tensors of numbers.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// What the classes are called, in the order of the probabilities; empty where there are none.
    pub fn labels(&self) -> &[String] {
        match &self.model {
            Kind::Trained { trained, .. } => &trained.labels,
            Kind::Onnx { .. } => &[],
        }
    }

    /// Whether `u8` pixels `[batch, channels, height, width]` of any size are taken too: they go through the stored
    /// preprocessing, resizing and normalization.
    pub fn takes_pixels(&self) -> bool {
        matches!(&self.model, Kind::Trained { pixels: Some(_), .. })
    }

    /// The outputs for these inputs, without a tape.
    ///
    /// # Errors
    /// What [`check`](Predictor::check) says of the inputs, or the model when it runs.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        self.check(inputs)?;
        match &self.model {
            Kind::Trained { trained, graphs, pixels } => {
                let input = match pixels {
                    Some(pipeline) if inputs[0].dtype() == DType::U8 => prepared(pipeline, &inputs[0])?,
                    _ => inputs[0].clone(),
                };
                no_grad(|| graphs.call(&[&input], &|x| results(trained, &x[0])))
            }
            Kind::Onnx { model, given } => {
                let values = self.inputs.iter().zip(inputs);
                let named: Vec<(&str, Value)> = values
                    .map(|(port, tensor)| (port.name.as_str(), Value::Tensor(tensor.clone(), port.element)))
                    .collect();
                let outputs = no_grad(|| model.run(&named))?;
                let tensor = |(port, &i): (&Port, &usize)| {
                    outputs[i].tensor().cloned().ok_or_else(|| {
                        let message = format!("output `{}` is no tensor of numbers, but declared as one", port.name);
                        Error::invalid(message)
                    })
                };
                self.outputs.iter().zip(given).map(tensor).collect()
            }
        }
    }

    /// Whether these are as many tensors as [`inputs`](Predictor::inputs) lists, of their types and shapes; `run` asks
    /// this too.
    ///
    /// # Errors
    /// What was expected, and what was given instead.
    pub fn check(&self, inputs: &[Tensor]) -> Result<()> {
        if inputs.len() != self.inputs.len() {
            let names: Vec<&str> = self.inputs.iter().map(|port| port.name.as_str()).collect();
            let message = format!("the model takes {} inputs {names:?}, got {}", names.len(), inputs.len());
            return Err(Error::invalid(message));
        }
        for (port, input) in self.inputs.iter().zip(inputs) {
            let fits = port.element.storage() == Some(input.dtype()) && port.admits(input.shape());
            if !fits && !self.are_pixels(input) {
                let pixels = if self.takes_pixels() { ", or uint8 pixels of any height and width" } else { "" };
                let (found, shape) = (ElementType::of(input.dtype()), input.shape());
                return Err(Error::invalid(format!("input `{}` is {port}{pixels}; got {found} {shape}", port.name)));
            }
        }
        Ok(())
    }

    /// Whether these are pixels that the model takes.
    fn are_pixels(&self, input: &Tensor) -> bool {
        let channels = self.inputs.first().and_then(|port| port.shape.as_ref()?.get(1).copied()).flatten();
        self.takes_pixels()
            && input.dtype() == DType::U8
            && matches!(input.shape()[..], [batch, found, height, width]
                if Some(found) == channels && batch > 0 && height > 0 && width > 0)
    }
}

/// What a trained model gives: what users want to know, and for classes the logits.
fn results(trained: &Trained, input: &Tensor) -> Result<Vec<Tensor>> {
    attempt(|| {
        let output = trained.model.forward(input);
        let prediction = trained.prediction(&output);
        if trained.labels.is_empty() { vec![prediction] } else { vec![prediction, output] }
    })
}

/// Pixels `[batch, channels, height, width]` as the model takes them.
fn prepared(pipeline: &Pipeline, pixels: &Tensor) -> Result<Tensor> {
    let images = (0..pixels.shape()[0]).map(|i| pipeline.apply(&pixels.select(0, i as isize), 0, 0, 0));
    Tensor::try_stack(&images.collect::<Result<Vec<_>>>()?, 0)
}
