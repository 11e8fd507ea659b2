//! A node while it is being prepared: its attributes, checked for their kind, and its subgraphs.

use crate::graph::Body;
use crate::value::Value;
use crate::wire::{self, AttributeKind};
use crate::{decode, external::External};
use hadal_core::{Error, Result, Scalar};

/// What an operator's `prepare` function sees of a node.
pub(crate) struct Node<'a> {
    pub message: &'a wire::Node,
    /// The inputs that are constants, which includes neither parameters nor what is computed.
    pub known: Vec<Option<Value>>,
    /// The subgraphs, by the names of their attributes.
    pub bodies: Vec<(String, Body)>,
    pub external: Option<&'a External>,
}

impl Node<'_> {
    fn get(&self, name: &str, kind: AttributeKind) -> Result<Option<&wire::Attribute>> {
        let Some(found) = self.message.attributes.iter().find(|a| a.name == name) else { return Ok(None) };
        if found.kind() != kind && found.kind() != AttributeKind::Undefined {
            return Err(self.wrong(name, format!("is of kind {:?} instead of {kind:?}", found.kind())));
        }
        Ok(Some(found))
    }

    /// An error about an attribute.
    pub fn wrong(&self, name: &str, problem: impl std::fmt::Display) -> Error {
        Error::invalid(format!("attribute `{name}` {problem}"))
    }

    /// `value`, or an error that the attribute is missing.
    pub fn required<T>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.wrong(name, "is missing"))
    }

    /// An integer, if it is given.
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.get(name, AttributeKind::Int)?.map(|a| a.int))
    }

    /// An integer, or its default.
    pub fn int_or(&self, name: &str, default: i64) -> Result<i64> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// An integer that stands for a truth value; false by default.
    pub fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.int_or(name, 0)? != 0)
    }

    /// A number, if it is given.
    pub fn float(&self, name: &str) -> Result<Option<f64>> {
        Ok(self.get(name, AttributeKind::Float)?.map(|a| f64::from(a.float)))
    }

    /// A number, or its default.
    pub fn float_or(&self, name: &str, default: f64) -> Result<f64> {
        // Defaults are `float` in the specification: 0.01 there is the nearest 32-bit number.
        Ok(self.float(name)?.unwrap_or(f64::from(default as f32)))
    }

    /// A string, if it is given.
    pub fn string(&self, name: &str) -> Result<Option<String>> {
        self.get(name, AttributeKind::String)?.map(|a| decode::text(&a.string)).transpose()
    }

    /// A string, or its default.
    pub fn string_or(&self, name: &str, default: &str) -> Result<String> {
        Ok(self.string(name)?.unwrap_or_else(|| default.to_owned()))
    }

    /// One of several words: the position of the given one, or of `default`.
    pub fn choice(&self, name: &str, words: &[&str], default: &str) -> Result<usize> {
        let given = self.string_or(name, default)?;
        let problem = || self.wrong(name, format!("is `{}`; known are {words:?}", decode::printable(&given)));
        words.iter().position(|w| *w == given).ok_or_else(problem)
    }

    /// Integers, if they are given.
    pub fn ints(&self, name: &str) -> Result<Option<Vec<i64>>> {
        Ok(self.get(name, AttributeKind::Ints)?.map(|a| a.ints.clone()))
    }

    /// Numbers, if they are given.
    pub fn floats(&self, name: &str) -> Result<Option<Vec<f64>>> {
        Ok(self.get(name, AttributeKind::Floats)?.map(|a| a.floats.iter().map(|&f| f64::from(f)).collect()))
    }

    /// Strings, if they are given.
    pub fn strings(&self, name: &str) -> Result<Option<Vec<String>>> {
        let strings = self.get(name, AttributeKind::Strings)?;
        strings.map(|a| a.strings.iter().map(decode::text).collect()).transpose()
    }

    /// A tensor, if it is given.
    pub fn tensor(&self, name: &str) -> Result<Option<Value>> {
        let message = self.get(name, AttributeKind::Tensor)?.and_then(|a| a.tensor.as_ref());
        message.map(|m| decode::tensor(m, self.external)).transpose()
    }

    /// A sparse tensor, if it is given.
    pub fn sparse_tensor(&self, name: &str) -> Result<Option<Value>> {
        let message = self.get(name, AttributeKind::SparseTensor)?.and_then(|a| a.sparse_tensor.as_ref());
        message.map(|m| decode::sparse(m, self.external)).transpose()
    }

    /// A subgraph.
    pub fn body(&self, name: &str) -> Result<Body> {
        self.required(name, self.bodies.iter().find(|b| b.0 == name).map(|b| b.1.clone()))
    }

    /// The only element of an input that is a constant tensor of one number.
    pub fn known_number(&self, i: usize) -> Option<Scalar> {
        match self.known.get(i)?.as_ref()? {
            Value::Tensor(tensor, element) if tensor.elements() == 1 && element.is_float() => {
                Some(Scalar::Float(tensor.item::<f64>()))
            }
            Value::Tensor(tensor, _) if tensor.elements() == 1 => Some(Scalar::Int(tensor.item::<i64>())),
            _ => None,
        }
    }

    /// The number of inputs, those left out at the end not counted.
    pub fn inputs(&self) -> usize {
        self.message.inputs.len()
    }

    /// The number of outputs, those left out at the end not counted.
    pub fn outputs(&self) -> usize {
        self.message.outputs.len()
    }

    /// Whether somebody may use this output.
    pub fn wants(&self, output: usize) -> bool {
        self.message.outputs.get(output).is_some_and(|name| !name.is_empty())
    }
}
