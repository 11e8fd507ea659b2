//! Storages: the flat arrays in a file, and the strided views of them that tensors are.

use super::super::elements::{ByteOrder, Stored};
use super::super::{Problem, checked_bytes, printable};
use super::Source;
use crate::tensor::Data;
use crate::{Buffer, Layout, Shape, Tensor};
use std::collections::HashMap;
use std::sync::Arc;

/// A tensor may have more elements than its storage (`expand` was saved) up to this number; beyond it, a
/// few bytes in a hostile file could stand for a tensor that no memory holds.
const MAX_EXPANDED: usize = 1 << 24;

/// A storage as the pickle refers to it.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// Its name in the file.
    pub key: Arc<str>,
    /// Its element type; an untyped storage is counted in bytes.
    pub stored: Option<Stored>,
    /// The number of elements.
    pub elements: usize,
    /// The part that is meant: first element and length.
    pub view: Option<(usize, usize)>,
}

/// A tensor as the pickle describes it, known to lie within its storage.
#[derive(Clone, Debug)]
pub(super) struct View {
    key: Arc<str>,
    stored: Stored,
    /// Elements of the whole storage.
    elements: usize,
    /// What the file counts in its storage: bytes if it is untyped.
    unit: usize,
    layout: Layout,
}

impl View {
    /// `stored` is the type over an untyped storage; offset and strides count elements.
    pub fn new(
        storage: Storage,
        stored: Option<Stored>,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<View, Problem> {
        let Storage { key, stored: own, elements, view } = storage;
        let (stored, elements, unit) = match (own, stored) {
            (None, Some(stored)) if elements.is_multiple_of(stored.size()) => (stored, elements / stored.size(), 1),
            (Some(own), None) => (own, elements, own.size()),
            (Some(own), Some(stored)) if own == stored => (own, elements, own.size()),
            _ => return Err(format!("has a tensor whose type does not fit its storage `{}`", printable(&key))),
        };
        let shape = Shape::from(shape);
        let outside = || {
            let place = format!("shape {shape}, strides {strides:?}, offset {offset}");
            format!("has a tensor of {place} outside its storage `{}` of {elements} elements", printable(&key))
        };
        let (first, length) = view.unwrap_or((0, elements));
        if first.checked_add(length).is_none_or(|end| end > elements) || strides.len() != shape.rank() {
            return Err(outside());
        }
        checked_bytes(&shape, stored).map_err(|problem| format!("has a tensor that {problem}"))?;
        let offset = if shape.elements() == 0 {
            0
        } else {
            let reach = shape
                .iter()
                .zip(&strides)
                .try_fold(offset, |at, (n, stride)| at.checked_add((n - 1).checked_mul(*stride)?));
            reach.filter(|&last| last < length).ok_or_else(outside)?;
            first + offset
        };
        if shape.elements() > elements.max(MAX_EXPANDED) {
            let (count, key) = (shape.elements(), printable(&key));
            return Err(format!(
                "has a tensor of {count} elements over a storage `{key}` of {elements}: it is not believed"
            ));
        }
        let strides = strides.iter().map(|&s| s as isize).collect();
        Ok(View { key, stored, elements, unit, layout: Layout { shape, strides, offset } })
    }

    /// The storage's name, the size of what the file counts in it, and their number.
    pub fn storage(&self) -> (&Arc<str>, usize, usize) {
        (&self.key, self.unit, self.elements * self.stored.size() / self.unit)
    }
}

/// Finds the bytes of a storage by its key: they are `start..start + length` of the source.
type Find<'a> = dyn Fn(&str) -> Result<(Source, usize, usize), Problem> + 'a;

/// The storages of one file, each loaded once, whichever tensors share it.
pub(super) struct Storages<'a> {
    find: &'a Find<'a>,
    order: ByteOrder,
    loaded: HashMap<(Arc<str>, Stored), Arc<Buffer>>,
}

impl<'a> Storages<'a> {
    pub fn new(find: &'a Find<'a>, order: ByteOrder) -> Storages<'a> {
        Storages { find, order, loaded: HashMap::new() }
    }

    /// The tensor that `view` describes.
    pub fn tensor(&mut self, view: &View) -> Result<Tensor, Problem> {
        let View { key, stored, elements, layout, .. } = view;
        let buffer = match self.loaded.get(&(key.clone(), *stored)) {
            Some(buffer) => buffer.clone(),
            None => {
                let (source, start, length) = (self.find)(key)?;
                let buffer = Arc::new(stored.buffer(&source, start, length - length % stored.size(), self.order));
                self.loaded.insert((key.clone(), *stored), buffer.clone());
                buffer
            }
        };
        let there = buffer.bytes().len() / stored.dtype().size();
        if there != *elements {
            return Err(format!(
                "has {there} elements in storage `{}`, not the {elements} that its pickle says",
                printable(key)
            ));
        }
        Ok(Tensor::make(Data { layout: layout.clone(), dtype: stored.dtype(), buffer }, None))
    }
}
