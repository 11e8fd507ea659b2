//! The element types of ONNX, and how Hadal's tensors hold them.

use crate::small_float::SmallFloat;
use hadal_core::{DType, Result, Tensor};
use std::fmt;

/// The type of a tensor's elements in an ONNX model.
///
/// Hadal's tensors know fewer types. The others live in a wider one, whose values are always those of the narrow
/// type; [`ElementType::storage`] says in which.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum ElementType {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    U4,
    I4,
    U2,
    I2,
    F64,
    F32,
    F16,
    BF16,
    F8E4M3FN,
    F8E4M3FNUZ,
    F8E5M2,
    F8E5M2FNUZ,
    F8E8M0,
    F6E2M3,
    F6E3M2,
    F4E2M1,
    Complex64,
    Complex128,
    String,
}

use ElementType::*;

/// Number in the format, name in the format, type.
const CODES: &[(i32, &str, ElementType)] = &[
    (1, "float", F32),
    (2, "uint8", U8),
    (3, "int8", I8),
    (4, "uint16", U16),
    (5, "int16", I16),
    (6, "int32", I32),
    (7, "int64", I64),
    (8, "string", String),
    (9, "bool", Bool),
    (10, "float16", F16),
    (11, "double", F64),
    (12, "uint32", U32),
    (13, "uint64", U64),
    (14, "complex64", Complex64),
    (15, "complex128", Complex128),
    (16, "bfloat16", BF16),
    (17, "float8e4m3fn", F8E4M3FN),
    (18, "float8e4m3fnuz", F8E4M3FNUZ),
    (19, "float8e5m2", F8E5M2),
    (20, "float8e5m2fnuz", F8E5M2FNUZ),
    (21, "uint4", U4),
    (22, "int4", I4),
    (23, "float4e2m1", F4E2M1),
    (24, "float8e8m0", F8E8M0),
    (25, "uint2", U2),
    (26, "int2", I2),
    (27, "float6e2m3", F6E2M3),
    (28, "float6e3m2", F6E3M2),
];

impl ElementType {
    /// The type that the format's number stands for.
    pub(crate) fn of_code(code: i32) -> Option<ElementType> {
        CODES.iter().find(|c| c.0 == code).map(|c| c.2)
    }

    /// The name in ONNX' own writing: `float`, `int64`, `float8e5m2`.
    pub fn name(self) -> &'static str {
        CODES.iter().find(|c| c.2 == self).map_or("undefined", |c| c.1)
    }

    /// The type of the Hadal tensor that holds such elements; `None` for strings and complex numbers.
    ///
    /// Narrow integers are held by a wider type with room for all their values, floats of 8 bits and less by `f32`.
    /// `uint64` is held by `i64` with the same bits: values from 2^63 on are negative there.
    pub fn storage(self) -> Option<DType> {
        Some(match self {
            Bool => DType::Bool,
            U8 | U4 | U2 => DType::U8,
            I8 | I4 | I2 => DType::I8,
            U16 | I16 | I32 => DType::I32,
            U32 | U64 | I64 => DType::I64,
            F64 => DType::F64,
            F16 => DType::F16,
            BF16 => DType::BF16,
            F32 | F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 | F6E2M3 | F6E3M2 | F4E2M1 => DType::F32,
            Complex64 | Complex128 | String => return None,
        })
    }

    /// The ONNX type of the same name as one of Hadal's.
    pub fn of(dtype: DType) -> ElementType {
        match dtype {
            DType::Bool => Bool,
            DType::U8 => U8,
            DType::I8 => I8,
            DType::I32 => I32,
            DType::I64 => I64,
            DType::F16 => F16,
            DType::BF16 => BF16,
            DType::F32 => F32,
            DType::F64 => F64,
        }
    }

    /// Whether a floating-point type, of any width.
    pub fn is_float(self) -> bool {
        self.storage().is_some_and(DType::is_float)
    }

    /// The format of a float of 8 bits or less.
    pub(crate) fn small_float(self) -> Option<SmallFloat> {
        SmallFloat::of(self)
    }

    /// Bits and sign of an integer type.
    pub(crate) fn integer(self) -> Option<(u32, bool)> {
        Some(match self {
            U2 => (2, false),
            I2 => (2, true),
            U4 => (4, false),
            I4 => (4, true),
            U8 => (8, false),
            I8 => (8, true),
            U16 => (16, false),
            I16 => (16, true),
            U32 => (32, false),
            I32 => (32, true),
            U64 => (64, false),
            I64 => (64, true),
            _ => return None,
        })
    }

    /// Whether some values of the storage type are not of this type, so that results must be brought back into it.
    fn is_narrow(self) -> bool {
        matches!(self, U2 | I2 | U4 | I4 | U16 | I16 | U32) || self.small_float().is_some()
    }

    /// `tensor` converted to the storage type, and its elements to this type: integers by dropping the upper bits,
    /// floats by rounding.
    pub(crate) fn wrap(self, tensor: &Tensor) -> Result<Tensor> {
        let storage = self.storage().ok_or_else(|| self.no_arithmetic())?;
        if !self.is_narrow() {
            return if tensor.dtype() == storage { Ok(tensor.clone()) } else { tensor.try_to_dtype(storage) };
        }
        if let Some(format) = self.small_float() {
            let values = tensor.try_to_dtype(DType::F32)?.try_to_vec::<f32>()?;
            let rounded = values.into_iter().map(|v| format.decode(format.encode(v, true))).collect();
            return Tensor::try_from_vec(rounded, tensor.shape());
        }
        let (bits, signed) = self.integer().expect("narrow types are integers or small floats");
        let values = tensor.try_to_dtype(DType::I64)?.try_to_vec::<i64>()?;
        let shift = 64 - bits;
        let wrap = |v: i64| if signed { v << shift >> shift } else { ((v as u64) << shift >> shift) as i64 };
        Tensor::try_from_vec(values.into_iter().map(wrap).collect(), tensor.shape())?.try_to_dtype(storage)
    }

    pub(crate) fn no_arithmetic(self) -> hadal_core::Error {
        hadal_core::Error::invalid(format!("tensors of {self} are not supported"))
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
