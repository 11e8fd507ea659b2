//! A graph that is ready to run: steps that read and write numbered places.

use crate::inputs::Inputs;
use crate::{Type, Value};
use hadal_core::{Error, Param, Result};
use std::sync::Arc;

/// An operator with its attributes: from inputs to outputs.
pub(crate) type Run = Box<dyn Fn(&Inputs) -> Result<Vec<Value>> + Send + Sync>;

/// A value that is known before the graph runs.
pub(crate) enum Constant {
    Value(Value),
    /// Something that can be trained.
    Param(Param),
}

impl Constant {
    fn get(&self) -> Value {
        match self {
            Constant::Value(value) => value.clone(),
            Constant::Param(param) => param.get().into(),
        }
    }
}

/// Where a step finds a value, and whether nobody needs it afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub place: usize,
    pub last: bool,
}

/// One node.
pub(crate) struct Step {
    /// Operator and name, for messages.
    pub label: String,
    pub inputs: Vec<Option<Read>>,
    /// What the subgraphs of the node take from this graph.
    pub captures: Vec<Read>,
    pub outputs: Vec<Option<usize>>,
    pub run: Run,
}

/// A graph whose names have become places.
pub(crate) struct Graph {
    pub places: usize,
    pub constants: Vec<(usize, Constant)>,
    pub inputs: Vec<usize>,
    /// Where values of the surrounding graph go.
    pub captures: Vec<usize>,
    pub steps: Vec<Step>,
    pub outputs: Vec<usize>,
    /// The declared types of the outputs, as far as they are known.
    pub output_types: Vec<Option<Type>>,
}

impl Graph {
    /// Runs all steps. An input without a value keeps its constant, if it has one.
    pub fn run(&self, inputs: Vec<Option<Value>>, captures: &[Value]) -> Result<Vec<Value>> {
        let mut values: Vec<Option<Value>> = vec![None; self.places];
        for (place, constant) in &self.constants {
            values[*place] = Some(constant.get());
        }
        for (place, value) in self.inputs.iter().zip(inputs) {
            if value.is_some() {
                values[*place] = value;
            }
        }
        for (place, value) in self.captures.iter().zip(captures) {
            values[*place] = Some(value.clone());
        }
        for step in &self.steps {
            step.run(&mut values).map_err(|e| Error::invalid(format!("{}: {e}", step.label)))?;
        }
        self.outputs.iter().map(|&place| values[place].clone().ok_or_else(|| unset("an output"))).collect()
    }
}

fn unset(what: &str) -> Error {
    Error::invalid(format!("{what} has no value: the operator that should give it left it out"))
}

impl Step {
    fn run(&self, values: &mut [Option<Value>]) -> Result<()> {
        let mut read = |read: &Read| match read.last {
            true => values[read.place].take(),
            false => values[read.place].clone(),
        };
        let mut inputs = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            inputs.push(match input {
                Some(input) => Some(read(input).ok_or_else(|| unset("an input"))?),
                None => None,
            });
        }
        let captures = self.captures.iter().map(|c| read(c).ok_or_else(|| unset("a captured value")));
        let captures = captures.collect::<Result<Vec<_>>>()?;
        let outputs = (self.run)(&Inputs { values: &inputs, captures: &captures })?;
        for (place, value) in self.outputs.iter().zip(outputs) {
            if let Some(place) = place {
                values[*place] = Some(value);
            }
        }
        Ok(())
    }
}

/// A subgraph of a node (a branch, the body of a loop), and which of the node's captured values are its own.
#[derive(Clone)]
pub(crate) struct Body {
    pub graph: Arc<Graph>,
    pub first_capture: usize,
}

impl Body {
    /// Runs the subgraph on these inputs, and on what it takes from around the node with `outer` inputs.
    pub fn run(&self, inputs: Vec<Value>, outer: &Inputs) -> Result<Vec<Value>> {
        let captures = &outer.captures[self.first_capture..][..self.graph.captures.len()];
        self.graph.run(inputs.into_iter().map(Some).collect(), captures)
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.graph.inputs.len()
    }

    /// The number of outputs.
    pub fn outputs(&self) -> usize {
        self.graph.outputs.len()
    }
}
