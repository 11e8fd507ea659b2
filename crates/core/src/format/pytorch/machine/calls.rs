//! What a pickle may call, and what that makes of its arguments: dictionaries, storages, tensors, NumPy's numbers.

use super::{Fault, Item, Machine, Object, malformed};
use crate::format::elements::{ByteOrder, Stored};
use crate::format::pytorch::Source;
use crate::format::pytorch::globals::Global;
use crate::format::pytorch::storage::{Storage, View};
use crate::format::{MAX_RANK, npy};
use crate::{DType, Tensor};
use std::sync::Arc;

impl Machine {
    /// `REDUCE` and `NEWOBJ`: a global from the whitelist, applied to a tuple.
    pub(super) fn call(&mut self) -> Result<(), Fault> {
        let operands = self.last(2)?;
        let Item::Global(function) = operands[0] else {
            return Err(malformed("only a named function can be called"));
        };
        self.apply(function, &operands[1])
    }

    fn apply(&mut self, function: Global, arguments: &Item) -> Result<(), Fault> {
        let arguments = self.tuple(arguments)?;
        // Copied so that the arena can grow; one argument list is short, but may be referred to often.
        let count = arguments.len();
        if count > 16 {
            return Err(malformed(format!("{count} arguments are more than any allowed function takes")));
        }
        let arguments = arguments.to_vec();
        match (function, &arguments[..]) {
            (Global::Dict, []) => self.make(Object::Dict(Vec::new())),
            (Global::Dict, [Item::Object(at)]) => self.dictionary(*at)?,
            (Global::Set | Global::Size, []) => self.make(Object::List(Vec::new())),
            // A set or size is its list; nothing tells them apart here.
            (Global::Set | Global::Size, [items @ Item::Object(_)]) => self.stack.push(items.clone()),
            (Global::Device, [Item::Text(name), ..]) => self.stack.push(Item::Text(name.clone())),
            (Global::RebuildTensor, [Item::Object(storage), offset, size, stride, ..]) => {
                self.tensor(*storage, None, offset, size, stride)?;
            }
            (
                Global::RebuildTyped,
                [Item::Object(storage), offset, size, stride, _, _, Item::Global(Global::Type(stored)), ..],
            ) => {
                self.tensor(*storage, Some(*stored), offset, size, stride)?;
            }
            (Global::RebuildParameter, [data @ Item::Object(_), ..]) => self.stack.push(data.clone()),
            (Global::RebuildFromType, [Item::Global(rebuild), Item::Global(Global::TensorClass), arguments, ..])
                if *rebuild != Global::RebuildFromType =>
            {
                self.apply(*rebuild, arguments)?;
            }
            (Global::Encode, [Item::Text(text), Item::Text(codec)]) if &**codec == "latin1" => {
                self.spend(text.len() / 16)?;
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
                self.stack.push(Item::Bytes(bytes.ok_or_else(|| malformed("bytes are not latin1"))?.into()));
            }
            (Global::NumpyType, [Item::Text(name), ..]) => {
                let (stored, order) = npy::element_type(name)?;
                self.make(Object::NumpyType(stored, order));
            }
            (Global::NumpyScalar, [Item::Object(at), Item::Bytes(bytes)]) => self.numpy_scalar(*at, bytes)?,
            (function, arguments) => {
                let problem = format!("{function:?} cannot be called with these {} arguments", arguments.len());
                return Err(malformed(problem));
            }
        }
        Ok(())
    }

    /// `OrderedDict([(key, value), …])` of Python 2, or `Counter({…})`.
    fn dictionary(&mut self, from: usize) -> Result<(), Fault> {
        let count = match &self.objects[from] {
            Object::Dict(pairs) => pairs.len(),
            Object::List(list) => list.len(),
            _ => 0,
        };
        // Copies take memory that the file does not, so an element counts as many steps.
        self.spend(count.saturating_mul(16))?;
        let pairs = match &self.objects[from] {
            Object::Dict(pairs) => pairs.clone(),
            Object::List(list) => list
                .iter()
                .map(|pair| match self.tuple(pair)? {
                    [key, value] => Ok((key.clone(), value.clone())),
                    _ => Err(malformed("a dictionary is made of pairs")),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(malformed("a dictionary is made of pairs")),
        };
        self.make(Object::Dict(pairs));
        Ok(())
    }

    fn numpy_scalar(&mut self, at: usize, bytes: &[u8]) -> Result<(), Fault> {
        let Object::NumpyType(stored, order) = self.objects[at] else {
            return Err(malformed("a NumPy type was expected"));
        };
        if bytes.len() != stored.size() {
            return Err(malformed(format!("a NumPy number of {} bytes has {}", stored.size(), bytes.len())));
        }
        let source: Source = Arc::new(bytes.to_vec());
        let buffer = stored.buffer(&source, 0, bytes.len(), order);
        let number = Tensor::from_buffer(buffer, (), stored.dtype()).expect("one element");
        self.stack.push(match stored.dtype() {
            DType::Bool => Item::Bool(number.item()),
            dtype if dtype.is_float() => Item::Float(number.item()),
            _ => Item::Int(number.item()),
        });
        Ok(())
    }

    /// `BUILD`: attributes of an object. The byte order of a NumPy type matters; the `_metadata` of a state
    /// dict and attributes of tensors do not.
    pub(super) fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let Item::Object(at) = *self.top()? else { return Err(malformed("attributes of something that has none")) };
        match &self.objects[at] {
            Object::NumpyType(stored, _) => {
                let stored = *stored;
                let order = match self.tuple(&state)?.get(1) {
                    Some(Item::Text(order)) if &**order == ">" => ByteOrder::Big,
                    _ => ByteOrder::Little,
                };
                self.objects[at] = Object::NumpyType(stored, order);
                Ok(())
            }
            Object::Dict(_) | Object::Tensor(_) => Ok(()),
            _ => Err(malformed("attributes of something that has none")),
        }
    }

    /// A persistent id: `('storage', class, key, device, elements[, view])`.
    pub(super) fn storage(&self, id: &Item) -> Result<Storage, Fault> {
        let wrong = || malformed("a reference that is not to a storage");
        match self.tuple(id)? {
            [Item::Text(kind), Item::Global(Global::Storage(stored)), Item::Text(key), _, count, rest @ ..]
                if &**kind == "storage" =>
            {
                let elements = size(count)?;
                let view = match rest {
                    [] | [Item::None] => None,
                    // Before PyTorch 0.4 a storage could be part of another: (key, offset, elements).
                    [view @ Item::Object(_)] => match self.tuple(view)? {
                        [Item::Text(_), offset, length] => Some((size(offset)?, size(length)?)),
                        _ => return Err(wrong()),
                    },
                    _ => return Err(wrong()),
                };
                Ok(Storage { key: key.clone(), stored: *stored, elements, view })
            }
            _ => Err(wrong()),
        }
    }

    fn tensor(
        &mut self,
        storage: usize,
        stored: Option<Stored>,
        offset: &Item,
        shape: &Item,
        strides: &Item,
    ) -> Result<(), Fault> {
        let Object::Storage(storage) = &self.objects[storage] else { return Err(malformed("a storage was expected")) };
        let (shape, strides) = (self.tuple(shape)?, self.tuple(strides)?);
        if shape.len() > MAX_RANK {
            return Err(format!("has a tensor of {} axes; at most {MAX_RANK} are supported", shape.len()).into());
        }
        let shape = shape.iter().map(size).collect::<Result<Vec<_>, _>>()?;
        let strides = strides.iter().take(shape.len() + 1).map(size).collect::<Result<Vec<_>, _>>()?;
        let view = View::new((**storage).clone(), stored, size(offset)?, shape, strides)?;
        self.make(Object::Tensor(Box::new(view)));
        Ok(())
    }
}

fn size(item: &Item) -> Result<usize, Fault> {
    match item {
        Item::Int(n) => usize::try_from(*n).ok(),
        _ => None,
    }
    .ok_or_else(|| malformed(format!("a size, offset or stride was expected, not {item:?}")))
}
