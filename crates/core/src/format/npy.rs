//! npy: one array in a file, as NumPy saves it.
//!
//! A file is the magic `\x93NUMPY`, a version, the length of the header, the header, and the elements. The
//! header is a Python dictionary with the type, the order of the axes and the shape.
//! Specification: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.

use super::elements::{ByteOrder, Stored, row_major};
use super::mapped::{Source, map};
use super::{Problem, atomic, checked_bytes, in_file, printable};
use crate::tensor::Data;
use crate::{DType, Error, Layout, Result, Tensor};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// No header of a plain array comes near this; it also bounds how much of an npz member is unpacked
/// before its size is known to be right.
pub(super) const MAX_HEADER: usize = 1 << 16;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Reads a file. The tensor shares the mapped file where the elements are aligned and need no conversion;
/// an array in Fortran order becomes a strided view.
///
/// `int16` and `uint16` become `i32`, and `uint32` becomes `i64`; other types that Hadal lacks are refused.
pub fn read(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let source = map(path)?;
    let length = (*source).as_ref().len();
    in_file(path, parse(&source, 0, length))
}

/// Reads the contents of a file that are already in memory.
pub fn from_bytes(bytes: Vec<u8>) -> Result<Tensor> {
    let length = bytes.len();
    let source: Source = Arc::new(bytes);
    parse(&source, 0, length).map_err(|problem| Error::invalid(format!("npy data {problem}")))
}

/// Writes a file, atomically. NumPy has no `bf16`: such a tensor is refused.
pub fn write(path: impl AsRef<Path>, tensor: &Tensor) -> Result<()> {
    let path = path.as_ref();
    let header = header(tensor).map_err(|problem| Error::file(path, format!("cannot be written: {problem}")))?;
    atomic::write(path, |out| emit(out, &header, tensor))
}

/// The bytes that [`write`](fn@write) puts into a file, which are also those that `numpy.save` would.
pub fn to_bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    let mut out = header(tensor).map_err(|problem| Error::invalid(format!("npy: {problem}")))?;
    out.extend_from_slice(&row_major(tensor));
    Ok(out)
}

pub(super) fn emit(out: &mut dyn Write, header: &[u8], tensor: &Tensor) -> io::Result<()> {
    out.write_all(header)?;
    out.write_all(&row_major(tensor))
}

/// Everything before the elements.
pub(super) fn header(tensor: &Tensor) -> Result<Vec<u8>, Problem> {
    let descr = match tensor.dtype() {
        DType::Bool => "|b1",
        DType::U8 => "|u1",
        DType::I8 => "|i1",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::F16 => "<f2",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::BF16 => return Err("npy has no bf16: use .to_dtype(DType::F32), or write safetensors".into()),
    };
    let shape = match &tensor.shape()[..] {
        [] => "()".to_owned(),
        [n] => format!("({n},)"),
        sizes => format!("({})", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    // NumPy leaves room for the first axis to grow to 21 digits, so that a file can be appended to.
    if let Some(first) = tensor.shape().first() {
        text.push_str(&" ".repeat(21usize.saturating_sub(first.to_string().len())));
    }
    // Magic, version, length, text and a line break end at a multiple of 64, which aligns the elements.
    let before = MAGIC.len() + 4;
    let length = (before + text.len() + 1).next_multiple_of(64) - before;
    let field = u16::try_from(length).map_err(|_| format!("the header would have {length} bytes"))?;
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&[1, 0]);
    header.extend_from_slice(&field.to_le_bytes());
    header.extend_from_slice(text.as_bytes());
    header.resize(before + length - 1, b' ');
    header.push(b'\n');
    Ok(header)
}

/// What a header says.
pub(super) struct Header {
    stored: Stored,
    order: ByteOrder,
    fortran: bool,
    shape: Vec<usize>,
    /// Where the elements begin.
    start: usize,
    /// The bytes of the elements.
    bytes: usize,
}

impl Header {
    /// The bytes of the whole file.
    pub fn file_size(&self) -> Result<usize, Problem> {
        self.start.checked_add(self.bytes).ok_or_else(|| "is larger than memory can address".into())
    }

    /// Reads the header of the file that begins with these bytes.
    pub fn parse(bytes: &[u8]) -> Result<Header, Problem> {
        let rest = bytes.strip_prefix(MAGIC).ok_or("is not an npy file: it does not begin with \\x93NUMPY")?;
        let truncated = || "is truncated in its header".to_owned();
        let (&[major, minor], rest) = rest.split_first_chunk().ok_or_else(truncated)?;
        let (length, rest) = match (major, minor) {
            (1, 0) => {
                let (length, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
                (u16::from_le_bytes(*length) as usize, rest)
            }
            (2 | 3, 0) => {
                let (length, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
            _ => return Err(format!("has npy version {major}.{minor}; versions 1.0 to 3.0 are known")),
        };
        if length > MAX_HEADER {
            return Err(format!("has a header of {length} bytes; at most {MAX_HEADER} are read"));
        }
        let text = rest.get(..length).ok_or_else(truncated)?;
        let text = std::str::from_utf8(text).map_err(|_| "has a header that is not text")?;
        let fields = Fields::parse(text).map_err(|problem| format!("has a header that cannot be read: {problem}"))?;
        let (stored, order) = element_type(&fields.descr)?;
        let size = checked_bytes(&fields.shape, stored)?;
        let start = bytes.len() - rest.len() + length;
        Ok(Header { stored, order, fortran: fields.fortran_order, shape: fields.shape, start, bytes: size })
    }
}

/// The array in bytes `at..at + length` of `source`, which is one npy file.
pub(super) fn parse(source: &Source, at: usize, length: usize) -> Result<Tensor, Problem> {
    let header = Header::parse(&(**source).as_ref()[at..][..length])?;
    let there = length - header.start;
    if there != header.bytes {
        let hint = if there < header.bytes { ": it is truncated" } else { "" };
        return Err(format!("needs {} bytes for shape {:?}, but has {there}{hint}", header.bytes, header.shape));
    }
    let buffer = Arc::new(header.stored.buffer(source, at + header.start, header.bytes, header.order));
    let layout = if header.fortran {
        // First axis fastest: the reversed shape in row-major order, seen with its axes turned round.
        let reversed: Vec<usize> = header.shape.iter().rev().copied().collect();
        let order: Vec<usize> = (0..header.shape.len()).rev().collect();
        Layout::contiguous(reversed).permute(&order)
    } else {
        Layout::contiguous(header.shape)
    };
    Ok(Tensor::make(Data { layout, dtype: header.stored.dtype(), buffer }, None))
}

/// The element type that NumPy writes as `<f4`: byte order (little if absent), kind, size.
pub(super) fn element_type(descr: &str) -> Result<(Stored, ByteOrder), Problem> {
    let (order, name) = match descr.split_at_checked(1) {
        Some(("<" | "|" | "=", name)) => (ByteOrder::Little, name),
        Some((">", name)) => (ByteOrder::Big, name),
        _ => (ByteOrder::Little, descr),
    };
    let stored = match name {
        "b1" | "?" => Stored::As(DType::Bool),
        "u1" => Stored::As(DType::U8),
        "i1" => Stored::As(DType::I8),
        "i4" => Stored::As(DType::I32),
        "i8" => Stored::As(DType::I64),
        "f2" => Stored::As(DType::F16),
        "f4" => Stored::As(DType::F32),
        "f8" => Stored::As(DType::F64),
        "i2" => Stored::I16,
        "u2" => Stored::U16,
        "u4" => Stored::U32,
        _ => {
            let what = match name.chars().next() {
                Some('O') => "Python objects (a pickle, which is never unpickled)",
                Some('U' | 'S' | 'a') => "text",
                Some('c') => "complex numbers",
                Some('M' | 'm') => "dates or durations",
                Some('V') => "raw bytes (a structured type, or one of another library such as bfloat16)",
                _ => "a type that Hadal does not have",
            };
            let fix = "use .astype(numpy.float32) or another number type up to 64 bits";
            return Err(format!("holds elements of type {}, which are {what}; {fix} before saving", printable(descr)));
        }
    };
    Ok((stored, order))
}

/// The dictionary of a header.
struct Fields {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Fields {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, its keys in any order.
    fn parse(text: &str) -> Result<Fields, Problem> {
        let mut text = Literal(text);
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        text.expect("{")?;
        while !text.accept("}") {
            let key = text.string()?;
            text.expect(":")?;
            match key {
                "descr" if descr.is_none() => descr = Some(text.element_type()?.to_owned()),
                "fortran_order" if fortran_order.is_none() => fortran_order = Some(text.truth()?),
                "shape" if shape.is_none() => shape = Some(text.tuple()?),
                _ => return Err(format!("the key `{}` is unknown or repeated", printable(key))),
            }
            if !text.accept(",") {
                text.expect("}")?;
                break;
            }
        }
        text.end()?;
        Ok(Fields {
            descr: descr.ok_or("`descr` is missing")?,
            fortran_order: fortran_order.ok_or("`fortran_order` is missing")?,
            shape: shape.ok_or("`shape` is missing")?,
        })
    }
}

/// What is left of a Python literal.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn accept(&mut self, token: &str) -> bool {
        self.0 = self.0.trim_start();
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), Problem> {
        if self.accept(token) { Ok(()) } else { Err(format!("expected `{token}` before `{}`", printable(self.0))) }
    }

    fn end(&self) -> Result<(), Problem> {
        let rest = self.0.trim();
        if rest.is_empty() { Ok(()) } else { Err(format!("`{}` follows the dictionary", printable(rest))) }
    }

    fn string(&mut self) -> Result<&'a str, Problem> {
        let quote = if self.accept("\"") { '"' } else { self.expect("'").map(|()| '\'')? };
        let (inside, rest) = self.0.split_once(quote).ok_or("a string has no end")?;
        self.0 = rest;
        Ok(inside)
    }

    fn element_type(&mut self) -> Result<&'a str, Problem> {
        if self.accept("[") {
            return Err("its elements are records of named fields; save each field as an array of its own".into());
        }
        self.string()
    }

    fn truth(&mut self) -> Result<bool, Problem> {
        if self.accept("True") { Ok(true) } else { self.expect("False").map(|()| false) }
    }

    fn tuple(&mut self) -> Result<Vec<usize>, Problem> {
        self.expect("(")?;
        let mut sizes = Vec::new();
        while !self.accept(")") {
            sizes.push(self.size()?);
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(sizes)
    }

    /// A whole number; Python 2 wrote `3L`.
    fn size(&mut self) -> Result<usize, Problem> {
        self.0 = self.0.trim_start();
        let digits = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (number, rest) = self.0.split_at(digits);
        let size = number.parse().map_err(|_| format!("`{}` does not begin with a size", printable(self.0)))?;
        self.0 = rest.strip_prefix('L').unwrap_or(rest);
        Ok(size)
    }
}
