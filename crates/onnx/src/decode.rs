//! From the messages of a file to values.
//!
//! Nothing is allocated because a header says so: the sizes must agree with the bytes that exist.

use crate::external::External;
use crate::value::{Strings, Value, shape_of};
use crate::{ElementType, wire};
use bytes::Bytes;
use hadal_core::half::{bf16, f16};
use hadal_core::{Buffer, DType, Element, Error, Result, Shape, Tensor};
use std::sync::Arc;

/// The value of a tensor message. Elements in another file are looked for by `external`.
pub(crate) fn tensor(message: &wire::Tensor, external: Option<&External>) -> Result<Value> {
    let named = |e: Error| Error::invalid(format!("tensor `{}`: {e}", printable(&message.name)));
    decode(message, external).map_err(named)
}

fn decode(message: &wire::Tensor, external: Option<&External>) -> Result<Value> {
    let element = ElementType::of_code(message.element)
        .ok_or_else(|| Error::invalid(format!("has elements of the unknown type {}", message.element)))?;
    let shape = shape_of(&message.sizes)?;
    let count = shape.elements();
    if element == ElementType::String {
        expect(count, message.strings.len(), element)?;
        let list = message.strings.iter().map(text).collect::<Result<_>>()?;
        return Ok(Strings::new(list, shape)?.into());
    }
    let storage = element.storage().ok_or_else(|| element.no_arithmetic())?;
    if message.location == 1 {
        let external =
            external.ok_or_else(|| Error::invalid("is in another file, which cannot be found from bytes in memory"))?;
        let bytes = external.bytes(&message.external)?;
        return Ok(Value::Tensor(from_raw(&bytes, shape, element, storage)?, element));
    }
    let typed = typed_elements(message, element)?;
    let tensor = match typed {
        // A tensor without elements may have neither.
        Some(tensor) if message.raw.is_empty() => {
            expect(count, tensor.elements(), element)?;
            tensor.try_reshape(shape)?
        }
        None if message.raw.is_empty() && count == 0 => Tensor::zeros_with(shape, storage),
        _ => from_raw(&message.raw, shape, element, storage)?,
    };
    Ok(Value::Tensor(tensor, element))
}

fn expect(count: usize, got: usize, element: ElementType) -> Result<()> {
    if count == got {
        return Ok(());
    }
    Err(Error::invalid(format!("needs {count} elements of {element} for its shape, got {got}")))
}

/// A string of a file.
pub(crate) fn text(bytes: &Bytes) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Error::invalid("holds a string that is not UTF-8"))
}

/// The elements in the list that belongs to the type; `None` if it is empty.
fn typed_elements(message: &wire::Tensor, element: ElementType) -> Result<Option<Tensor>> {
    use ElementType::*;
    fn list<S: Copy, T: Element>(values: &[S], convert: impl Fn(S) -> T) -> Option<Tensor> {
        (!values.is_empty()).then(|| values.iter().map(|&v| convert(v)).collect::<Vec<T>>().into())
    }
    let i32s = &message.i32s[..];
    Ok(match element {
        F32 => list(&message.f32s, |v| v),
        F64 => list(&message.f64s, |v| v),
        I64 => list(&message.i64s, |v| v),
        U64 => list(&message.u64s, |v| v as i64),
        U32 => list(&message.u64s, |v| v as u32 as i64),
        I32 => list(i32s, |v| v),
        U16 => list(i32s, |v| v as u16 as i32),
        I16 => list(i32s, |v| v as i16 as i32),
        U8 => list(i32s, |v| v as u8),
        I8 => list(i32s, |v| v as i8),
        Bool => list(i32s, |v| v != 0),
        F16 => list(i32s, |v| f16::from_bits(v as u16)),
        BF16 => list(i32s, |v| bf16::from_bits(v as u16)),
        // Packed: every number is a byte of the raw form.
        _ if !i32s.is_empty() => {
            let bytes: Vec<u8> = i32s.iter().map(|&v| v as u8).collect();
            let shape = shape_of(&message.sizes)?;
            let storage = element.storage().ok_or_else(|| element.no_arithmetic())?;
            Some(from_raw(&bytes.into(), shape, element, storage)?)
        }
        _ => None,
    })
}

/// Elements as little-endian bytes, several to a byte where they are narrower.
fn from_raw(bytes: &Bytes, shape: Shape, element: ElementType, storage: DType) -> Result<Tensor> {
    use ElementType::*;
    let count = shape.elements();
    let bits = match element {
        Bool => 8,
        F6E2M3 | F6E3M2 => return Err(element.no_arithmetic()),
        F4E2M1 => 4,
        _ if element.small_float().is_some() => 8,
        _ => element.integer().map_or(8 * storage.size(), |(bits, _)| bits as usize),
    };
    let needed = count.checked_mul(bits).map_or(usize::MAX, |bits| bits.div_ceil(8));
    if bytes.len() != needed {
        let message = format!("needs {needed} bytes for {element} {shape}, got {}", bytes.len());
        return Err(Error::invalid(message));
    }
    if let Some(format) = element.small_float() {
        let patterns = unpack(bytes, bits, count);
        return Tensor::try_from_vec(patterns.map(|b| format.decode(b)).collect(), shape);
    }
    match element {
        Bool => return Tensor::try_from_vec(bytes.iter().map(|&b| b != 0).collect(), shape),
        U16 => return wide(bytes, shape, |b| i32::from(u16::from_le_bytes(b))),
        I16 => return wide(bytes, shape, |b| i32::from(i16::from_le_bytes(b))),
        U32 => return wide(bytes, shape, |b| i64::from(u32::from_le_bytes(b))),
        U4 | U2 => return Tensor::try_from_vec(unpack(bytes, bits, count).collect(), shape),
        I4 | I2 => {
            let shift = 8 - bits as u32;
            let signed = unpack(bytes, bits, count).map(|b| ((b << shift) as i8) >> shift);
            return Tensor::try_from_vec(signed.collect(), shape);
        }
        _ => {}
    }
    let buffer = Buffer::mapped_or_copied(Arc::new(bytes.clone()), 0, bytes.len(), storage.size());
    Tensor::from_buffer(buffer, shape, storage).ok_or_else(|| Error::invalid("has a size that does not fit its shape"))
}

/// The value with these bits, as in the raw form of a message.
pub(crate) fn from_bits(bytes: &Bytes, shape: Shape, element: ElementType) -> Result<Value> {
    let storage = element.storage().ok_or_else(|| element.no_arithmetic())?;
    Ok(Value::Tensor(from_raw(bytes, shape, element, storage)?, element))
}

/// The bits of a tensor's elements, as in the raw form of a message, for types of whole bytes.
pub(crate) fn to_bits(tensor: &Tensor, element: ElementType) -> Result<Bytes> {
    use ElementType::*;
    let low = |tensor: &Tensor, kept: usize| {
        let size = tensor.dtype().size();
        tensor.to_bytes().chunks_exact(size).flat_map(|b| b[..kept].to_vec()).collect::<Vec<u8>>()
    };
    Ok(match element {
        U16 | I16 => low(tensor, 2),
        U32 => low(tensor, 4),
        F8E4M3FN | F8E4M3FNUZ | F8E5M2 | F8E5M2FNUZ | F8E8M0 => {
            let format = element.small_float().expect("a float of 8 bits");
            tensor.try_to_vec::<f32>()?.into_iter().map(|v| format.encode(v, true)).collect()
        }
        U4 | I4 | U2 | I2 | F4E2M1 | F6E2M3 | F6E3M2 => return Err(element.no_arithmetic()),
        _ => tensor.to_bytes(),
    }
    .into())
}

fn wide<const N: usize, T: Element>(bytes: &[u8], shape: Shape, convert: fn([u8; N]) -> T) -> Result<Tensor> {
    Tensor::try_from_vec(bytes.as_chunks::<N>().0.iter().map(|&b| convert(b)).collect(), shape)
}

/// `count` unsigned numbers of 2, 4 or 8 bits, the lowest bits of a byte first.
fn unpack(bytes: &[u8], bits: usize, count: usize) -> impl Iterator<Item = u8> {
    let mask = ((1u16 << bits) - 1) as u8;
    bytes.iter().flat_map(move |&b| (0..8 / bits).map(move |i| (b >> (i * bits)) & mask)).take(count)
}

/// The value of a sparse tensor message, with its zeros.
pub(crate) fn sparse(message: &wire::SparseTensor, external: Option<&External>) -> Result<Value> {
    let missing = || Error::invalid("a sparse tensor without values or indices");
    let (values, indices) = (message.values.as_ref(), message.indices.as_ref());
    let values = tensor(values.ok_or_else(missing)?, external)?;
    let indices = tensor(indices.ok_or_else(missing)?, external)?;
    let (Value::Tensor(values, element), Value::Tensor(indices, _)) = (values, indices) else { return Err(missing()) };
    let shape = shape_of(&message.sizes)?;
    let places = match indices.rank() {
        1 => indices,
        2 if indices.size(1) == shape.rank() => {
            let mut places = Tensor::zeros_with(indices.size(0), DType::I64);
            for (axis, &size) in shape.iter().enumerate() {
                places = places.try_mul(size)?.try_add(indices.try_select(1, axis as isize)?)?;
            }
            places
        }
        _ => return Err(Error::invalid(format!("a sparse tensor has indices of shape {}", indices.shape()))),
    };
    let zeros = Tensor::zeros_with(shape.elements(), values.dtype());
    Ok(Value::Tensor(zeros.try_scatter(0, &places, &values.try_ravel()?)?.try_reshape(shape)?, element))
}

/// The value of a sequence message.
pub(crate) fn sequence(message: &wire::SequenceValue) -> Result<Value> {
    let mut values = message.tensors.iter().map(|t| tensor(t, None)).collect::<Result<Vec<_>>>()?;
    for inner in &message.sequences {
        values.push(sequence(inner)?);
    }
    for inner in &message.optionals {
        values.push(optional(inner)?);
    }
    Ok(Value::sequence(values))
}

/// The value of an optional message.
pub(crate) fn optional(message: &wire::OptionalValue) -> Result<Value> {
    let value = match message {
        wire::OptionalValue { tensor: Some(inner), .. } => Some(tensor(inner, None)?),
        wire::OptionalValue { sequence: Some(inner), .. } => Some(sequence(inner)?),
        wire::OptionalValue { optional: Some(inner), .. } => Some(optional(inner)?),
        _ => None,
    };
    Ok(Value::Optional(value.map(Box::new)))
}

/// A name from a file, made safe to print.
pub(crate) fn printable(name: &str) -> String {
    let shown: String = name.chars().take(120).flat_map(char::escape_debug).collect();
    if name.chars().nth(120).is_some() { shown + "…" } else { shown }
}
