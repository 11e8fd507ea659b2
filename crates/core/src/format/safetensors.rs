//! safetensors: the weights format of the field. Reading maps the file; writing is reproducible.
//!
//! A file is the length of a JSON header (`u64`, little-endian), the header, and the tensors' bytes.
//! The header maps names to `{"dtype", "shape", "data_offsets": [begin, end]}`, and `__metadata__` to a map
//! of strings; the tensors cover the rest of the file without gaps or overlaps.
//! Specification: <https://github.com/huggingface/safetensors#format>.
//!
//! Here metadata is written in the order of its keys and tensors in the order of element size (largest
//! first, which keeps every tensor aligned in a format that allows no padding) and then of name. So one
//! model gives one sequence of bytes, which the reference implementation does not promise.

use super::elements::{ByteOrder, Stored, row_major};
use super::mapped::{Source, map};
use super::{Problem, atomic, checked_bytes, in_file, printable};
use crate::{DType, Error, Result, Tensor};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Headers beyond this length are refused, as by the reference implementation.
const MAX_HEADER: usize = 100_000_000;

/// The contents of a safetensors file.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// The tensors by name.
    pub tensors: BTreeMap<String, Tensor>,
    /// Free text by key: `__metadata__`.
    pub metadata: BTreeMap<String, String>,
}

/// Reads a file. Its tensors share the mapped file where their bytes are aligned and need no conversion.
///
/// The types `I16` and `U16` become `i32`, and `U32` becomes `i64`; others that Hadal lacks are refused.
pub fn read(path: impl AsRef<Path>) -> Result<Archive> {
    let path = path.as_ref();
    in_file(path, parse(&map(path)?))
}

/// Reads the contents of a file that are already in memory.
pub fn from_bytes(bytes: Vec<u8>) -> Result<Archive> {
    let source: Source = Arc::new(bytes);
    parse(&source).map_err(|problem| Error::invalid(format!("safetensors data {problem}")))
}

/// Writes a file, atomically; equal contents give equal bytes.
pub fn write(
    path: impl AsRef<Path>,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let path = path.as_ref();
    let order = order(tensors).map_err(|problem| Error::file(path, format!("cannot be written: {problem}")))?;
    atomic::write(path, |out| emit(out, &order, metadata))
}

/// The bytes that [`write`](fn@write) puts into a file.
pub fn to_bytes(tensors: &BTreeMap<String, Tensor>, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let order = order(tensors).map_err(|problem| Error::invalid(format!("safetensors: {problem}")))?;
    let mut out = Vec::new();
    emit(&mut out, &order, metadata).map_err(|e| Error::invalid(format!("safetensors: {e}")))?;
    Ok(out)
}

/// One tensor's line of the header.
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

impl Entry {
    fn new(fields: &Unique<&RawValue>) -> Result<Entry, Problem> {
        Ok(Entry {
            dtype: field(fields, "dtype")?,
            shape: field(fields, "shape")?,
            data_offsets: field(fields, "data_offsets")?,
        })
    }
}

fn field<'de, T: Deserialize<'de>>(fields: &Unique<&'de RawValue>, name: &str) -> Result<T, Problem> {
    let raw = fields.0.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
    serde_json::from_str(raw.get()).map_err(|e| format!("`{name}` is `{}`: {e}", printable(raw.get())))
}

#[derive(Default)]
struct Header {
    entries: Vec<(String, Entry)>,
    metadata: BTreeMap<String, String>,
}

/// A JSON object that must not repeat a key, which plain maps would silently allow.
struct Unique<V>(BTreeMap<String, V>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut seen_metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            let named = |e: A::Error| A::Error::custom(format_args!("`{}`: {e}", printable(&name)));
            if name == "__metadata__" {
                if std::mem::replace(&mut seen_metadata, true) {
                    return Err(named(A::Error::custom("it appears twice")));
                }
                header.metadata = map.next_value::<Unique<String>>().map_err(named)?.0;
            } else {
                let fields = map.next_value().map_err(named)?;
                let entry = Entry::new(&fields).map_err(|problem| named(A::Error::custom(problem)))?;
                header.entries.push((name, entry));
            }
        }
        Ok(header)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique<V>, D::Error> {
        struct UniqueVisitor<V>(std::marker::PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<V> {
            type Value = Unique<V>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<V>, A::Error> {
                let mut found = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, V>()? {
                    if found.contains_key(&key) {
                        return Err(A::Error::custom(format_args!("the key `{}` appears twice", printable(&key))));
                    }
                    found.insert(key, value);
                }
                Ok(Unique(found))
            }
        }
        deserializer.deserialize_map(UniqueVisitor(std::marker::PhantomData))
    }
}

fn parse(source: &Source) -> Result<Archive, Problem> {
    let bytes: &[u8] = (**source).as_ref();
    let (length, rest) = bytes.split_first_chunk().ok_or_else(|| {
        format!("is not a safetensors file: it has {} bytes, fewer than the first field", bytes.len())
    })?;
    let length = u64::from_le_bytes(*length);
    if length > rest.len() as u64 {
        return Err(format!(
            "claims a header of {length} bytes, but only {} follow: it is truncated or not a safetensors file",
            rest.len()
        ));
    }
    if length > MAX_HEADER as u64 {
        return Err(format!("has a header of {length} bytes; the format allows {MAX_HEADER}"));
    }
    let (header, data) = rest.split_at(length as usize);
    if header.first() != Some(&b'{') {
        return Err("is not a safetensors file: its header does not begin with `{`".into());
    }
    let header = std::str::from_utf8(header)
        .map_err(|e| format!("has a header that is not UTF-8 (byte {} of the file)", 8 + e.valid_up_to()))?;
    let Header { mut entries, metadata } =
        serde_json::from_str(header).map_err(|e| format!("has a header that cannot be read: {e}"))?;

    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut tensors = BTreeMap::new();
    let mut covered = 0;
    for (name, entry) in entries {
        let tensor = load(source, 8 + length as usize, data.len(), &entry, covered)
            .map_err(|problem| format!("tensor `{}` {problem}", printable(&name)))?;
        covered = entry.data_offsets.1;
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(format!("tensor `{}` appears twice", printable(&name)));
        }
    }
    if covered != data.len() {
        return Err(format!("has {} bytes after the last tensor that belong to none", data.len() - covered));
    }
    Ok(Archive { tensors, metadata })
}

/// The tensor of `entry`. The data section has `available` bytes from `start` of the file on, and the
/// tensors before this one cover the first `covered` of them.
fn load(source: &Source, start: usize, available: usize, entry: &Entry, covered: usize) -> Result<Tensor, Problem> {
    let stored = stored(&entry.dtype)?;
    let bytes = checked_bytes(&entry.shape, stored)?;
    let (begin, end) = entry.data_offsets;
    if begin > end || end > available {
        return Err(format!(
            "has offsets {begin}..{end}, outside the {available} bytes of data: the file is truncated or corrupt"
        ));
    }
    if end - begin != bytes {
        return Err(format!(
            "of type {} and shape {:?} takes {bytes} bytes, but has {}",
            entry.dtype,
            entry.shape,
            end - begin
        ));
    }
    if begin < covered {
        return Err(format!("begins at byte {begin} of the data and overlaps the one that ends at {covered}"));
    }
    if begin > covered {
        return Err(format!("begins at byte {begin} of the data, which leaves a hole after byte {covered}"));
    }
    let buffer = stored.buffer(source, start + begin, bytes, ByteOrder::Little);
    Ok(Tensor::from_buffer(buffer, &entry.shape[..], stored.dtype()).expect("the size was checked"))
}

fn stored(name: &str) -> Result<Stored, Problem> {
    Ok(match name {
        "BOOL" => Stored::As(DType::Bool),
        "U8" => Stored::As(DType::U8),
        "I8" => Stored::As(DType::I8),
        "I32" => Stored::As(DType::I32),
        "I64" => Stored::As(DType::I64),
        "F16" => Stored::As(DType::F16),
        "BF16" => Stored::As(DType::BF16),
        "F32" => Stored::As(DType::F32),
        "F64" => Stored::As(DType::F64),
        "I16" => Stored::I16,
        "U16" => Stored::U16,
        "U32" => Stored::U32,
        other => {
            return Err(format!(
                "has type {}, which Hadal does not have: convert it to one of BOOL U8 I8 I16 U16 I32 U32 I64 F16 BF16 F32 F64",
                printable(other)
            ));
        }
    })
}

/// What the format calls Hadal's types.
fn type_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "BOOL",
        DType::U8 => "U8",
        DType::I8 => "I8",
        DType::I32 => "I32",
        DType::I64 => "I64",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::F32 => "F32",
        DType::F64 => "F64",
    }
}

/// The tensors in the order of their bytes.
fn order(tensors: &BTreeMap<String, Tensor>) -> Result<Vec<(&str, &Tensor)>, Problem> {
    if tensors.contains_key("__metadata__") {
        return Err("`__metadata__` is a reserved name; give the tensor another".into());
    }
    let mut order: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    // A stable sort: within one size, by name.
    order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.dtype().size()));
    Ok(order)
}

fn emit(out: &mut dyn Write, tensors: &[(&str, &Tensor)], metadata: &BTreeMap<String, String>) -> io::Result<()> {
    let mut header = String::from("{");
    if !metadata.is_empty() {
        header += &format!("\"__metadata__\":{},", serde_json::to_string(metadata)?);
    }
    let mut at = 0;
    for (name, tensor) in tensors {
        let (shape, end) = (&tensor.shape()[..], at + tensor.meta().bytes());
        let (name, dtype) = (serde_json::to_string(name)?, type_name(tensor.dtype()));
        header += &format!("{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{at},{end}]}},");
        at = end;
    }
    if header.ends_with(',') {
        header.pop();
    }
    header.push('}');
    // Spaces up to a multiple of 8 align the data.
    let length = header.len().next_multiple_of(8);
    if length > MAX_HEADER {
        let message = format!("the header would have {length} bytes; the format allows {MAX_HEADER}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    out.write_all(&(length as u64).to_le_bytes())?;
    header.push_str(&" ".repeat(length - header.len()));
    out.write_all(header.as_bytes())?;
    tensors.iter().try_for_each(|(_, tensor)| out.write_all(&row_major(tensor)))
}
