//! Data types and the promotion rules of PyTorch.

use half::{bf16, f16};
use std::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum DType {
    /// Booleans, one byte each.
    Bool,
    /// Unsigned bytes.
    U8,
    /// Signed bytes.
    I8,
    /// 32-bit signed integers.
    I32,
    /// 64-bit signed integers: indices and labels.
    I64,
    /// IEEE half precision.
    F16,
    /// Brain floating point: f32 with a 7-bit mantissa.
    BF16,
    /// IEEE single precision, the default.
    F32,
    /// IEEE double precision.
    F64,
}

/// The three kinds of numbers, in order of promotion.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Category {
    /// `Bool`.
    Bool,
    /// `U8`, `I8`, `I32`, `I64`.
    Integer,
    /// `F16`, `BF16`, `F32`, `F64`.
    Float,
}

impl DType {
    /// Every data type, smallest category first.
    pub const ALL: [DType; 9] =
        [DType::Bool, DType::U8, DType::I8, DType::I32, DType::I64, DType::F16, DType::BF16, DType::F32, DType::F64];

    /// Bytes per element.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 => 8,
        }
    }

    /// The kind of number.
    pub fn category(self) -> Category {
        match self {
            DType::Bool => Category::Bool,
            DType::U8 | DType::I8 | DType::I32 | DType::I64 => Category::Integer,
            _ => Category::Float,
        }
    }

    /// Whether this is a floating-point type; only these have gradients.
    pub fn is_float(self) -> bool {
        self.category() == Category::Float
    }

    /// The type that holds values of both, as `torch.promote_types`.
    /// One difference: `u8` with `i8` gives `i32`, because Hadal has no `i16`.
    pub fn promote(self, other: DType) -> DType {
        use DType::*;
        let (low, high) = if self <= other { (self, other) } else { (other, self) };
        match (low, high) {
            (U8, I8) => I32,
            (F16, BF16) => F32,
            _ => high,
        }
    }

    /// The type in which a sum or mean of narrow numbers is computed: itself for floats, `i64` for the rest.
    pub fn accumulator(self) -> DType {
        if self.is_float() { self } else { DType::I64 }
    }

    /// Itself if a float, else `f32`: the result of `exp`, `mean`, `/` on integers.
    pub fn to_float(self) -> DType {
        if self.is_float() { self } else { DType::F32 }
    }

    /// The type kernels without a half-precision form compute in: `f32` for `f16` and `bf16`.
    pub fn compute(self) -> DType {
        match self {
            DType::F16 | DType::BF16 => DType::F32,
            other => other,
        }
    }

    /// The name as written in Rust: `f32`, `bool`.
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::U8 => "u8",
            DType::I8 => "i8",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type that can be an element of a tensor.
///
/// # Safety
/// The type is plain data without padding, `DTYPE.size() == size_of::<Self>()`, and every byte pattern
/// that Hadal writes under `DTYPE` is valid for it (`bool` is stored as 0 or 1).
pub unsafe trait Element: Copy + Send + Sync + PartialEq + fmt::Debug + Default + 'static {
    /// The matching run-time type.
    const DTYPE: DType;
    /// Nearest value of this type; float to integer truncates and saturates, number to `bool` is `!= 0`.
    fn from_f64(value: f64) -> Self;
    /// The value as `f64` (integers beyond 2^53 round).
    fn to_f64(self) -> f64;
    /// The value of an integer in this type, wrapping as `as` does.
    fn from_i64(value: i64) -> Self;
    /// The value as an integer, truncating and saturating.
    fn to_i64(self) -> i64;
}

macro_rules! elements {
    ($($t:ty = $d:ident: |$f:ident| $from_f64:expr, |$i:ident| $from_i64:expr, |$s:ident| $to_f64:expr, $to_i64:expr;)*) => { $(
        // SAFETY: a primitive (or a transparent wrapper of one) of exactly DTYPE's size, valid for what is stored.
        unsafe impl Element for $t {
            const DTYPE: DType = DType::$d;
            #[inline]
            fn from_f64($f: f64) -> Self { $from_f64 }
            #[inline]
            fn from_i64($i: i64) -> Self { $from_i64 }
            #[inline]
            fn to_f64(self) -> f64 { let $s = self; $to_f64 }
            #[inline]
            fn to_i64(self) -> i64 { let $s = self; $to_i64 }
        }
    )* };
}

elements! {
    bool = Bool: |f| f != 0.0, |i| i != 0, |s| s as u8 as f64, s as i64;
    u8 = U8: |f| f as u8, |i| i as u8, |s| s as f64, s as i64;
    i8 = I8: |f| f as i8, |i| i as i8, |s| s as f64, s as i64;
    i32 = I32: |f| f as i32, |i| i as i32, |s| s as f64, s as i64;
    i64 = I64: |f| f as i64, |i| i, |s| s as f64, s;
    f16 = F16: |f| f16::from_f64(f), |i| f16::from_f64(i as f64), |s| f64::from(s), f64::from(s) as i64;
    bf16 = BF16: |f| bf16::from_f64(f), |i| bf16::from_f64(i as f64), |s| f64::from(s), f64::from(s) as i64;
    f32 = F32: |f| f as f32, |i| i as f32, |s| s as f64, s as i64;
    f64 = F64: |f| f, |i| i as f64, |s| s, s as i64;
}

/// Elements for which any bytes of their size are a value: kernels that only move elements use these
/// four instead of all nine types (see the word `moves` of [`dispatch!`](crate::dispatch)).
pub trait Bits: Element {}

impl Bits for u8 {}
impl Bits for f16 {}
impl Bits for i32 {}
impl Bits for i64 {}

/// Runs a block with `$T` bound to the Rust type of a [`DType`]: `dispatch!(floats dtype, T => f::<T>())`.
///
/// The first word says which types the op's `infer` admits: `all`, `numbers` (no bool), `integers`
/// (without bool), `whole` (with it), `floats` (with the half types), `reals` (`f32` and `f64`), `moves` (any type, as
/// [`Bits`] of its size, for kernels that do not look at values).
#[macro_export]
macro_rules! dispatch {
    (all $d:expr, $T:ident => $body:expr) => {
        $crate::dispatch!(@ $d, $T => $body; Bool bool, U8 u8, I8 i8, I32 i32, I64 i64,
            F16 $crate::half::f16, BF16 $crate::half::bf16, F32 f32, F64 f64)
    };
    (numbers $d:expr, $T:ident => $body:expr) => {
        $crate::dispatch!(@ $d, $T => $body; U8 u8, I8 i8, I32 i32, I64 i64,
            F16 $crate::half::f16, BF16 $crate::half::bf16, F32 f32, F64 f64)
    };
    (integers $d:expr, $T:ident => $body:expr) => {
        $crate::dispatch!(@ $d, $T => $body; U8 u8, I8 i8, I32 i32, I64 i64)
    };
    (whole $d:expr, $T:ident => $body:expr) => {
        $crate::dispatch!(@ $d, $T => $body; Bool bool, U8 u8, I8 i8, I32 i32, I64 i64)
    };
    (floats $d:expr, $T:ident => $body:expr) => {
        $crate::dispatch!(@ $d, $T => $body; F16 $crate::half::f16, BF16 $crate::half::bf16, F32 f32, F64 f64)
    };
    (reals $d:expr, $T:ident => $body:expr) => {
        $crate::dispatch!(@ $d, $T => $body; F32 f32, F64 f64)
    };
    (moves $d:expr, $T:ident => $body:expr) => {
        match $d.size() {
            1 => { type $T = u8; $body }
            2 => { type $T = $crate::half::f16; $body }
            4 => { type $T = i32; $body }
            _ => { type $T = i64; $body }
        }
    };
    (@ $d:expr, $T:ident => $body:expr; $($variant:ident $rust:ty),*) => {
        match $d {
            $($crate::DType::$variant => { type $T = $rust; $body })*
            #[allow(unreachable_patterns)]
            other => unreachable!("`infer` does not admit {other} here"),
        }
    };
}
