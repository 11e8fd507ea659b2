//! What flows along the edges of a graph: tensors, strings, sequences, optional values.

use crate::ElementType;
use hadal_core::{DType, Element, Error, Result, Shape, Tensor};
use std::sync::Arc;

/// A value in an ONNX graph; cheap to clone.
#[derive(Clone, Debug)]
pub enum Value {
    /// A tensor, and the ONNX type of its elements, which the tensor's own type is the storage of.
    Tensor(Tensor, ElementType),
    /// A tensor of strings.
    Strings(Strings),
    /// A list of values of one kind.
    Sequence(Arc<Vec<Value>>),
    /// A value or none.
    Optional(Option<Box<Value>>),
    /// Numbers under keys: what classifiers of `ai.onnx.ml` return for a sample.
    Map(Arc<Map>),
}

/// Numbers under keys.
#[derive(Clone, Debug)]
pub struct Map {
    /// The keys, one axis of whole numbers or strings.
    pub keys: Value,
    /// As many numbers.
    pub values: Tensor,
}

/// A tensor of strings.
///
/// The strings stand in a list, and an ordinary tensor says which of them is where: whatever moves elements works on
/// that tensor.
#[derive(Clone, Debug)]
pub struct Strings {
    pub(crate) list: Arc<Vec<String>>,
    pub(crate) places: Tensor,
}

impl Strings {
    /// The strings in row-major order under `shape`, whose product must be their number.
    pub fn new(list: Vec<String>, shape: impl Into<Shape>) -> Result<Strings> {
        let places = Tensor::arange(list.len()).try_reshape(shape)?;
        Ok(Strings { list: Arc::new(list), places })
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &Shape {
        self.places.shape()
    }

    /// The strings in row-major order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.places.to_vec::<i64>().into_iter().map(|i| self.list[i as usize].as_str())
    }

    /// The strings in row-major order.
    pub fn to_vec(&self) -> Vec<String> {
        self.iter().map(str::to_owned).collect()
    }
}

impl Value {
    /// A tensor whose elements are of an ONNX type that Hadal has no name for, such as `uint16`: `tensor` is converted
    /// to the [storage type](ElementType::storage) if needed, and its elements are brought into the type's range.
    pub fn typed(tensor: &Tensor, element: ElementType) -> Result<Value> {
        Ok(Value::Tensor(element.wrap(tensor)?, element))
    }

    /// A list of values.
    pub fn sequence(values: Vec<Value>) -> Value {
        Value::Sequence(Arc::new(values))
    }

    /// The tensor, if this is one.
    pub fn tensor(&self) -> Option<&Tensor> {
        match self {
            Value::Tensor(tensor, _) => Some(tensor),
            _ => None,
        }
    }

    /// The type of the elements of a tensor or a tensor of strings.
    pub fn element_type(&self) -> Option<ElementType> {
        match self {
            Value::Tensor(_, element) => Some(*element),
            Value::Strings(_) => Some(ElementType::String),
            _ => None,
        }
    }

    /// The sizes of the axes of a tensor, of numbers or strings.
    pub fn shape(&self) -> Option<&Shape> {
        match self {
            Value::Tensor(tensor, _) => Some(tensor.shape()),
            Value::Strings(strings) => Some(strings.shape()),
            _ => None,
        }
    }

    /// What it is, for messages: `tensor(float) [1, 3]`, `sequence of 2`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Value::Tensor(tensor, element) => format!("tensor({element}) {}", tensor.shape()),
            Value::Strings(strings) => format!("tensor(string) {}", strings.shape()),
            Value::Sequence(values) => format!("sequence of {}", values.len()),
            Value::Optional(Some(value)) => format!("optional {}", value.describe()),
            Value::Optional(None) => "empty optional".into(),
            Value::Map(map) => format!("map of {}", map.values.elements()),
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Value {
        let element = ElementType::of(tensor.dtype());
        Value::Tensor(tensor, element)
    }
}

impl From<&Tensor> for Value {
    fn from(tensor: &Tensor) -> Value {
        tensor.clone().into()
    }
}

impl From<Strings> for Value {
    fn from(strings: Strings) -> Value {
        Value::Strings(strings)
    }
}

/// The largest number of elements that the numbers in a model or an input may ask for. A mistaken or hostile size is
/// then an error instead of the end of the program.
const MOST_ELEMENTS: usize = 1 << 31;

/// A shape from numbers that were computed or read.
pub(crate) fn shape_of(sizes: &[i64]) -> Result<Shape> {
    let shape: Option<Shape> = sizes.iter().map(|&n| usize::try_from(n).ok()).collect();
    let shape = shape.ok_or_else(|| Error::invalid(format!("the sizes {sizes:?} are not all 0 or more")))?;
    let elements = shape.iter().try_fold(1usize, |a, &n| a.checked_mul(n.max(1)));
    match elements {
        Some(n) if n <= MOST_ELEMENTS => Ok(shape),
        _ => Err(Error::invalid(format!("the shape {shape} has more than {MOST_ELEMENTS} elements"))),
    }
}

/// The elements of a tensor of any integer type, as `i64`.
pub(crate) fn integers(tensor: &Tensor) -> Result<Vec<i64>> {
    match tensor.as_slice::<i64>() {
        Some(values) => Ok(values.to_vec()),
        None if tensor.dtype().is_float() => {
            Err(Error::invalid(format!("integers are needed, got a tensor of {}", tensor.dtype())))
        }
        None => tensor.try_to_dtype(DType::I64)?.try_to_vec(),
    }
}

/// The elements of a tensor of any type as `f64`; those of integers up to 2^53 exactly.
pub(crate) fn floats(tensor: &Tensor) -> Vec<f64> {
    tensor.to_f64_vec()
}

/// A vector as a tensor of one axis with the given elements.
pub(crate) fn vector<T: Element>(values: Vec<T>) -> Tensor {
    Tensor::from(values)
}
