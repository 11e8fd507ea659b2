//! Tensors, and the files of test inputs and outputs: sequences and optional values.

use bytes::Bytes;
use prost::Message;

/// `TensorProto`. The elements are in `raw`, in the list that fits their type, or in another file.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    pub sizes: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub element: i32,
    #[prost(float, repeated, tag = "4")]
    pub f32s: Vec<f32>,
    /// Also holds everything narrower than 32 bits, and the bits of 16-bit floats.
    #[prost(int32, repeated, tag = "5")]
    pub i32s: Vec<i32>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub strings: Vec<Bytes>,
    #[prost(int64, repeated, tag = "7")]
    pub i64s: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "bytes", tag = "9")]
    pub raw: Bytes,
    #[prost(double, repeated, tag = "10")]
    pub f64s: Vec<f64>,
    /// Also holds `uint32`.
    #[prost(uint64, repeated, tag = "11")]
    pub u64s: Vec<u64>,
    /// Where the elements are, if `location` is 1: `location` (a path), `offset`, `length`.
    #[prost(message, repeated, tag = "13")]
    pub external: Vec<Entry>,
    /// 1 when the elements are in another file.
    #[prost(int32, tag = "14")]
    pub location: i32,
}

/// `SparseTensorProto`: the elements that are not zero, and where they stand.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SparseTensor {
    #[prost(message, boxed, optional, tag = "1")]
    pub values: Option<Box<Tensor>>,
    /// Positions in row-major order `[n]`, or coordinates `[n, rank]`.
    #[prost(message, boxed, optional, tag = "2")]
    pub indices: Option<Box<Tensor>>,
    #[prost(int64, repeated, tag = "3")]
    pub sizes: Vec<i64>,
}

/// `StringStringEntryProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `SequenceProto`: a list of values of one kind.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SequenceValue {
    /// 1 tensors, 3 sequences, 5 optional values.
    #[prost(int32, tag = "2")]
    pub kind: i32,
    #[prost(message, repeated, tag = "3")]
    pub tensors: Vec<Tensor>,
    #[prost(message, repeated, tag = "5")]
    pub sequences: Vec<SequenceValue>,
    #[prost(message, repeated, tag = "7")]
    pub optionals: Vec<OptionalValue>,
}

/// `OptionalProto`: a value or none.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OptionalValue {
    /// 1 a tensor, 3 a sequence, 5 another optional value, 0 nothing.
    #[prost(int32, tag = "2")]
    pub kind: i32,
    #[prost(message, optional, tag = "3")]
    pub tensor: Option<Tensor>,
    #[prost(message, optional, tag = "5")]
    pub sequence: Option<SequenceValue>,
    #[prost(message, boxed, optional, tag = "7")]
    pub optional: Option<Box<OptionalValue>>,
}
