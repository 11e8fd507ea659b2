//! The declared types of values.

use prost::{Message, Oneof};

/// `ValueInfoProto`: a name and its type.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ValueInfo {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
}

/// `TypeProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Type {
    #[prost(oneof = "TypeKind", tags = "1, 4, 5, 8, 9")]
    pub kind: Option<TypeKind>,
}

/// `TypeProto.value`.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum TypeKind {
    #[prost(message, tag = "1")]
    Tensor(TensorType),
    #[prost(message, tag = "4")]
    Sequence(Box<ElementType>),
    #[prost(message, tag = "5")]
    Map(Box<MapType>),
    #[prost(message, tag = "8")]
    Sparse(TensorType),
    #[prost(message, tag = "9")]
    Optional(Box<ElementType>),
}

/// `TypeProto.Tensor` and `TypeProto.SparseTensor`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorType {
    #[prost(int32, tag = "1")]
    pub element: i32,
    /// None if nothing is known of the shape, not even its rank.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<ShapeType>,
}

/// `TypeProto.Sequence` and `TypeProto.Optional`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ElementType {
    #[prost(message, optional, boxed, tag = "1")]
    pub element: Option<Box<Type>>,
}

/// `TypeProto.Map`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MapType {
    #[prost(int32, tag = "1")]
    pub key: i32,
    #[prost(message, optional, boxed, tag = "2")]
    pub value: Option<Box<Type>>,
}

/// `TensorShapeProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ShapeType {
    #[prost(message, repeated, tag = "1")]
    pub dimensions: Vec<Dimension>,
}

/// `TensorShapeProto.Dimension`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Dimension {
    #[prost(oneof = "dimension::Size", tags = "1, 2")]
    pub size: Option<dimension::Size>,
}

pub(crate) mod dimension {
    //! What is known of a size.

    /// A number, or a name that stands for the same number wherever it occurs.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Size {
        #[prost(int64, tag = "1")]
        Number(i64),
        #[prost(string, tag = "2")]
        Name(String),
    }
}
