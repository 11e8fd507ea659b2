//! The protobuf messages of an ONNX file, declared by hand: the fields that mean something to a runtime.
//!
//! Numbers after `tag` are those of the `onnx.proto` of ONNX 1.23; fields that are not listed (documentation strings,
//! device placement, training information) are skipped when a file is decoded. `bytes` fields share the memory of the
//! file they were decoded from.

mod graph;
mod tensor;
mod types;

pub(crate) use graph::{Attribute, AttributeKind, Function, Graph, Model, Node, OperatorSet};
pub(crate) use tensor::{Entry, OptionalValue, SequenceValue, SparseTensor, Tensor};
pub(crate) use types::{Dimension, ShapeType, TensorType, Type, TypeKind, ValueInfo, dimension};
