//! The protocol's data types, and Hadal's beside them.

use hadal::DType;
use std::fmt;

/// The type of a tensor's elements, by its name in the Open Inference Protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs)]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    /// Texts or files: each element is a sequence of bytes.
    Bytes,
}

/// Every data type with its name, bytes per element (none where they vary), and the type that holds its numbers here.
const ALL: [(Datatype, &str, Option<usize>, Option<DType>); 14] = [
    (Datatype::Bool, "BOOL", Some(1), Some(DType::Bool)),
    (Datatype::Uint8, "UINT8", Some(1), Some(DType::U8)),
    (Datatype::Uint16, "UINT16", Some(2), Some(DType::I32)),
    (Datatype::Uint32, "UINT32", Some(4), Some(DType::I64)),
    (Datatype::Uint64, "UINT64", Some(8), Some(DType::I64)),
    (Datatype::Int8, "INT8", Some(1), Some(DType::I8)),
    (Datatype::Int16, "INT16", Some(2), Some(DType::I32)),
    (Datatype::Int32, "INT32", Some(4), Some(DType::I32)),
    (Datatype::Int64, "INT64", Some(8), Some(DType::I64)),
    (Datatype::Fp16, "FP16", Some(2), Some(DType::F16)),
    (Datatype::Bf16, "BF16", Some(2), Some(DType::BF16)),
    (Datatype::Fp32, "FP32", Some(4), Some(DType::F32)),
    (Datatype::Fp64, "FP64", Some(8), Some(DType::F64)),
    (Datatype::Bytes, "BYTES", None, None),
];

impl Datatype {
    /// The type called `name` in the protocol.
    pub fn parse(name: &str) -> Option<Datatype> {
        ALL.iter().find(|entry| entry.1 == name).map(|entry| entry.0)
    }

    /// The type in which tensors of `dtype` travel.
    pub fn of(dtype: DType) -> Datatype {
        match dtype {
            DType::Bool => Datatype::Bool,
            DType::U8 => Datatype::Uint8,
            DType::I8 => Datatype::Int8,
            DType::I32 => Datatype::Int32,
            DType::I64 => Datatype::Int64,
            DType::F16 => Datatype::Fp16,
            DType::BF16 => Datatype::Bf16,
            DType::F32 => Datatype::Fp32,
            DType::F64 => Datatype::Fp64,
        }
    }

    fn entry(self) -> &'static (Datatype, &'static str, Option<usize>, Option<DType>) {
        &ALL[self as usize]
    }

    /// The name in the protocol: `FP32`.
    pub fn name(self) -> &'static str {
        self.entry().1
    }

    /// Bytes per element in a request; `None` for [`Bytes`](Datatype::Bytes).
    pub fn size(self) -> Option<usize> {
        self.entry().2
    }

    /// The type that holds the numbers: the same, or the next wider where Hadal has none. `None` for
    /// [`Bytes`](Datatype::Bytes).
    pub fn dtype(self) -> Option<DType> {
        self.entry().3
    }

    /// Every name, for messages.
    pub fn names() -> String {
        ALL.map(|entry| entry.1).join(", ")
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_types_and_back() {
        for (place, (datatype, name, ..)) in ALL.iter().enumerate() {
            assert_eq!(*datatype as usize, place);
            assert_eq!(Datatype::parse(name), Some(*datatype));
        }
        for dtype in DType::ALL {
            assert_eq!(Datatype::of(dtype).dtype(), Some(dtype));
            assert_eq!(Datatype::of(dtype).size(), Some(dtype.size()));
        }
        assert_eq!(Datatype::parse("fp32"), None);
    }
}
