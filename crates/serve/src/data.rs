//! The contents of a tensor on its way in or out: numbers, or sequences of bytes.

use crate::datatype::Datatype;
use hadal::Tensor;

/// A tensor of the protocol.
#[derive(Clone, Debug)]
pub enum Data {
    /// Every type but `BYTES`.
    Numbers(Tensor),
    /// `BYTES`: the elements in row-major order, and their shape.
    Bytes(Strings, Vec<usize>),
}

impl Data {
    /// The sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Data::Numbers(tensor) => tensor.shape(),
            Data::Bytes(_, shape) => shape,
        }
    }

    /// The type that travels: the declared one, if it is what the elements are held for.
    pub fn sent_as(&self, declared: Datatype) -> Datatype {
        match self {
            Data::Numbers(tensor) if declared.dtype() == Some(tensor.dtype()) => declared,
            Data::Numbers(tensor) => Datatype::of(tensor.dtype()),
            Data::Bytes(..) => Datatype::Bytes,
        }
    }
}

/// Many sequences of bytes, one after the other: a client that sends millions of empty ones gets little memory for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Strings {
    /// Appends one.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Each in turn.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, &end)| &self.bytes[begin..end])
    }
}

impl<T: AsRef<[u8]>> FromIterator<T> for Strings {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Strings {
        let mut strings = Strings::default();
        items.into_iter().for_each(|item| strings.push(item.as_ref()));
        strings
    }
}
