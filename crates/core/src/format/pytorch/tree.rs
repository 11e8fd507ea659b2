//! What a file holds, as a tree of plain values.

use super::super::Problem;
use super::globals::Global;
use super::machine::{Item, MAX_STEPS, Object, Pickle};
use super::state_dict::{self, StateDict};
use super::storage::Storages;
use crate::{DType, Error, Result, Tensor};
use std::sync::Arc;

/// Containers may nest this deep.
pub(super) const MAX_DEPTH: usize = 64;

/// A Python value without its Python.
#[derive(Clone, Debug)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A floating-point number, NumPy's too.
    Float(f64),
    /// A string, or the name of a `torch.device`.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A `torch.dtype`.
    Type(DType),
    /// A tensor or parameter.
    Tensor(Tensor),
    /// A list, set or `torch.Size`.
    List(Vec<Value>),
    /// A tuple.
    Tuple(Vec<Value>),
    /// A dictionary of any kind, in the order of the file.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// The value under a text key of a dictionary.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Value::Dict(pairs) = self else { return None };
        // A key set twice has its last value.
        pairs.iter().rev().find(|(k, _)| matches!(k, Value::Text(k) if &**k == key)).map(|(_, value)| value)
    }

    /// The weights: the tensors of this dictionary, or of the one under `state_dict`, `model_state_dict` or
    /// `model`, without the prefixes that wrappers add to every name.
    pub fn state_dict(&self) -> Result<StateDict> {
        state_dict::find(self).map_err(|problem| Error::invalid(format!("the PyTorch file {problem}")))
    }
}

/// Turns the result of a pickle into a tree. Objects referred to from several places are repeated (tensors
/// still share their storage), so the size of the tree is bounded as the machine's steps are.
pub(super) fn unfold(pickle: &Pickle, storages: &mut Storages) -> Result<Value, Problem> {
    Unfolder { objects: &pickle.objects, storages, left: MAX_STEPS }.value(&pickle.result, 0)
}

struct Unfolder<'a, 'b> {
    objects: &'a [Object],
    storages: &'a mut Storages<'b>,
    left: usize,
}

impl Unfolder<'_, '_> {
    fn value(&mut self, item: &Item, depth: usize) -> Result<Value, Problem> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| format!("unfolds to more than {MAX_STEPS} values: it is not read"))?;
        let at = match item {
            Item::None => return Ok(Value::None),
            Item::Bool(value) => return Ok(Value::Bool(*value)),
            Item::Int(value) => return Ok(Value::Int((*value).into())),
            Item::Big(value) => return Ok(Value::Int(**value)),
            Item::Float(value) => return Ok(Value::Float(*value)),
            Item::Text(value) => return Ok(Value::Text(value.clone())),
            Item::Bytes(value) => return Ok(Value::Bytes(value.clone())),
            Item::Global(Global::Type(stored)) => return Ok(Value::Type(stored.dtype())),
            Item::Global(_) => return Err("holds a Python function or class as a value".into()),
            Item::Object(at) => *at,
        };
        if depth == MAX_DEPTH {
            return Err(format!("nests its contents more than {MAX_DEPTH} deep, or within themselves"));
        }
        let objects = self.objects;
        Ok(match &objects[at] {
            Object::List(items) => Value::List(self.values(items, depth)?),
            Object::Tuple(items) => Value::Tuple(self.values(items, depth)?),
            Object::Dict(pairs) => {
                let pair =
                    |(key, value): &(Item, Item)| Ok((self.value(key, depth + 1)?, self.value(value, depth + 1)?));
                Value::Dict(pairs.iter().map(pair).collect::<Result<_, Problem>>()?)
            }
            Object::Tensor(view) => Value::Tensor(self.storages.tensor(view)?),
            Object::Storage(_) => return Err("holds a bare storage; save tensors instead".into()),
            Object::NumpyType(stored, _) => Value::Type(stored.dtype()),
        })
    }

    fn values(&mut self, items: &[Item], depth: usize) -> Result<Vec<Value>, Problem> {
        items.iter().map(|item| self.value(item, depth + 1)).collect()
    }
}
