//! A model whose graph is traced, for each shape of its inputs, and then run without an interpreter between operations.

use crate::{ElementType, Model, Value};
use hadal_core::compile::Graphs;
use hadal_core::{Error, Result, Tensor};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A [`Model`] that is compiled when it meets inputs of new shapes: made by [`Model::compiled`].
pub struct CompiledModel {
    model: Model,
    graphs: Graphs,
    /// The ONNX types of the outputs, which the traced tensors do not know.
    elements: Mutex<Vec<ElementType>>,
    /// Set once a trace has failed where the model itself has not.
    untraceable: AtomicBool,
}

impl Model {
    /// The model compiled: the same bits, faster.
    ///
    /// A model whose shapes depend on elements, or that works on strings or sequences, cannot be traced and is run as it
    /// is.
    pub fn compiled(self) -> CompiledModel {
        CompiledModel {
            model: self,
            graphs: Graphs::default(),
            elements: Mutex::default(),
            untraceable: AtomicBool::new(false),
        }
    }

    /// The model compiled for inference: parameters are taken for constants, and batch normalizations are folded into
    /// convolutions, which rounds otherwise.
    pub fn compiled_for_inference(self) -> CompiledModel {
        let mut compiled = self.compiled();
        compiled.graphs.for_inference();
        compiled
    }
}

impl CompiledModel {
    /// The model itself: its inputs, outputs and parameters.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Whether the model runs as a graph, as far as is known from the calls until now.
    pub fn is_traced(&self) -> bool {
        !self.untraceable.load(Relaxed)
    }

    /// As [`Model::run`].
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn run(&self, inputs: &[(&str, Value)]) -> Result<Vec<Value>> {
        let values = self.model.checked(inputs)?;
        let tensors: Vec<&Tensor> = values.iter().flatten().filter_map(Value::tensor).collect();
        if !self.is_traced() || tensors.len() != inputs.len() {
            return self.model.run_checked(values);
        }
        match self.graphs.call(&tensors, &|arguments| self.traced(&values, arguments)) {
            Ok(outputs) => {
                let elements = self.elements.lock().unwrap_or_else(|e| e.into_inner());
                Ok(outputs.into_iter().zip(elements.iter()).map(|(t, &e)| Value::Tensor(t, e)).collect())
            }
            // Either the inputs do not fit, which the model says better, or it cannot be traced.
            Err(_) => {
                let outputs = self.model.run_checked(values)?;
                self.untraceable.store(true, Relaxed);
                Ok(outputs)
            }
        }
    }

    /// The model's outputs for these tensors in the places of those among `values`.
    fn traced(&self, values: &[Option<Value>], arguments: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut arguments = arguments.iter();
        let mut values = values.to_vec();
        for value in values.iter_mut().flatten() {
            if let (Value::Tensor(tensor, _), Some(argument)) = (value, arguments.next()) {
                *tensor = argument.clone();
            }
        }
        let outputs = self.model.run_checked(values)?;
        let mut elements = Vec::with_capacity(outputs.len());
        let mut tensors = Vec::with_capacity(outputs.len());
        for output in outputs {
            let Value::Tensor(tensor, element) = output else {
                return Err(Error::invalid("only tensors can be the outputs of a compiled model"));
            };
            elements.push(element);
            tensors.push(tensor);
        }
        *self.elements.lock().unwrap_or_else(|e| e.into_inner()) = elements;
        Ok(tensors)
    }
}
