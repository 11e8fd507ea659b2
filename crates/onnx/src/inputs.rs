//! What an operator gets when it runs.

use crate::ElementType;
use crate::value::{Strings, Value, floats, integers};
use hadal_core::{Error, Result, Tensor};

/// The inputs of a node: `None` for those that are left out.
pub(crate) struct Inputs<'a> {
    pub values: &'a [Option<Value>],
    /// What its subgraphs take from around them, one subgraph after the other.
    pub captures: &'a [Value],
}

impl Inputs<'_> {
    /// The number of inputs, counting left-out ones before the last.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// The input, if it is given.
    pub fn get(&self, i: usize) -> Option<&Value> {
        self.values.get(i)?.as_ref()
    }

    /// Whether the input is given.
    pub fn has(&self, i: usize) -> bool {
        self.get(i).is_some()
    }

    /// The input, which must be given.
    pub fn value(&self, i: usize) -> Result<&Value> {
        self.get(i).ok_or_else(|| Error::invalid(format!("input {i} is missing")))
    }

    /// The input, which must be a tensor of numbers.
    pub fn tensor(&self, i: usize) -> Result<&Tensor> {
        Ok(self.typed(i)?.0)
    }

    /// The input, which must be a tensor of numbers if it is given.
    pub fn optional(&self, i: usize) -> Result<Option<&Tensor>> {
        if self.has(i) { self.tensor(i).map(Some) } else { Ok(None) }
    }

    /// A tensor of numbers with the type of its elements.
    pub fn typed(&self, i: usize) -> Result<(&Tensor, ElementType)> {
        match self.value(i)? {
            Value::Tensor(tensor, element) => Ok((tensor, *element)),
            other => Err(Error::invalid(format!("input {i} must be a tensor of numbers, got {}", other.describe()))),
        }
    }

    /// A tensor of strings.
    pub fn strings(&self, i: usize) -> Result<&Strings> {
        match self.value(i)? {
            Value::Strings(strings) => Ok(strings),
            other => Err(Error::invalid(format!("input {i} must be a tensor of strings, got {}", other.describe()))),
        }
    }

    /// The elements of a sequence.
    pub fn sequence(&self, i: usize) -> Result<&[Value]> {
        match self.value(i)? {
            Value::Sequence(values) => Ok(values),
            other => Err(Error::invalid(format!("input {i} must be a sequence, got {}", other.describe()))),
        }
    }

    /// The elements of an integer tensor.
    pub fn ints(&self, i: usize) -> Result<Vec<i64>> {
        integers(self.tensor(i)?)
    }

    /// The only element of an integer tensor.
    pub fn int(&self, i: usize) -> Result<i64> {
        match self.ints(i)?[..] {
            [value] => Ok(value),
            ref values => Err(Error::invalid(format!("input {i} must have one element, got {}", values.len()))),
        }
    }

    /// The only element of a tensor of numbers.
    pub fn float(&self, i: usize) -> Result<f64> {
        match floats(self.tensor(i)?)[..] {
            [value] => Ok(value),
            ref values => Err(Error::invalid(format!("input {i} must have one element, got {}", values.len()))),
        }
    }

    /// `f` of a tensor of numbers or strings: an operation that moves elements without looking at them.
    pub fn moved(&self, i: usize, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Vec<Value>> {
        Ok(vec![moved(self.value(i)?, f)?])
    }

    /// One output with the type of input `i`, into whose range the elements are brought.
    pub fn like(&self, i: usize, tensor: &Tensor) -> Result<Vec<Value>> {
        Ok(vec![Value::typed(tensor, self.typed(i)?.1)?])
    }
}

/// `f` of a tensor of numbers or strings, as [`Inputs::moved`].
pub(crate) fn moved(value: &Value, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Value> {
    match value {
        Value::Tensor(tensor, element) => Ok(Value::Tensor(f(tensor)?, *element)),
        Value::Strings(Strings { list, places }) => {
            Ok(Value::Strings(Strings { list: list.clone(), places: f(places)? }))
        }
        other => Err(Error::invalid(format!("needs a tensor, got {}", other.describe()))),
    }
}
