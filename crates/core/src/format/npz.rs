//! npz: named arrays in one zip archive, as `numpy.savez` writes them.

use super::mapped::{Source, map};
use super::npy::{self, Header};
use super::zip::Zip;
use super::{Problem, atomic, in_file, printable};
use crate::{Error, Result, Tensor};
use flate2::write::DeflateEncoder;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// How the arrays are packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// As they are: `numpy.savez`.
    Stored,
    /// By deflate: `numpy.savez_compressed`.
    Deflated,
}

/// Reads the arrays of a file by their names (without `.npy`).
///
/// A member's size in the archive must agree with its own header before it is unpacked.
pub fn read(path: impl AsRef<Path>) -> Result<BTreeMap<String, Tensor>> {
    let path = path.as_ref();
    in_file(path, parse(map(path)?))
}

/// Reads the contents of a file that are already in memory.
pub fn from_bytes(bytes: Vec<u8>) -> Result<BTreeMap<String, Tensor>> {
    parse(Arc::new(bytes)).map_err(|problem| Error::invalid(format!("npz data {problem}")))
}

/// Writes a file, atomically. NumPy has no `bf16`: such a tensor is refused.
pub fn write(path: impl AsRef<Path>, arrays: &BTreeMap<String, Tensor>, compression: Compression) -> Result<()> {
    let path = path.as_ref();
    let headers = headers(arrays).map_err(|problem| Error::file(path, format!("cannot be written: {problem}")))?;
    atomic::write(path, |out| emit(out, &headers, compression))
}

/// The bytes that [`write`](fn@write) puts into a file.
pub fn to_bytes(arrays: &BTreeMap<String, Tensor>, compression: Compression) -> Result<Vec<u8>> {
    let headers = headers(arrays).map_err(|problem| Error::invalid(format!("npz: {problem}")))?;
    let mut out = Vec::new();
    emit(&mut out, &headers, compression).map_err(|e| Error::invalid(format!("npz: {e}")))?;
    Ok(out)
}

fn parse(source: Source) -> Result<BTreeMap<String, Tensor>, Problem> {
    let zip = Zip::open(source)?;
    let mut arrays = BTreeMap::new();
    for member in zip.names() {
        let name = member.strip_suffix(".npy").unwrap_or(member);
        let named = |problem| format!("array `{}` {problem}", printable(name));
        let header = Header::parse(&zip.beginning(member, npy::MAX_HEADER + 12)?).map_err(named)?;
        let (claimed, expected) = (zip.size(member).unwrap_or(0), header.file_size().map_err(named)?);
        if claimed != expected {
            return Err(named(format!("has {claimed} bytes in the archive, but its own header makes it {expected}")));
        }
        let (source, start, length) = zip.read(member)?;
        let array = npy::parse(&source, start, length).map_err(named)?;
        if arrays.insert(name.to_owned(), array).is_some() {
            return Err(named("appears twice".into()));
        }
    }
    Ok(arrays)
}

/// Name, npy header and tensor of each array.
type Headed<'a> = Vec<(&'a str, Vec<u8>, &'a Tensor)>;

fn headers(arrays: &BTreeMap<String, Tensor>) -> Result<Headed<'_>, Problem> {
    let headed = |(name, array)| -> Result<_, Problem> {
        let name: &String = name;
        let header = npy::header(array).map_err(|problem| format!("array `{name}`: {problem}"))?;
        Ok((name.as_str(), header, array))
    };
    arrays.iter().map(headed).collect()
}

fn emit(out: &mut dyn Write, arrays: &Headed, compression: Compression) -> io::Result<()> {
    let mut zip = ZipArchiveWriter::new(out);
    for (name, header, array) in arrays {
        let path = rawzip::path::EntryPath::verbatim(format!("{name}.npy").into_bytes());
        let method = match compression {
            Compression::Stored => CompressionMethod::STORE,
            Compression::Deflated => CompressionMethod::DEFLATE,
        };
        let (mut entry, config) = zip.new_file(path).compression_method(method).start().map_err(io::Error::other)?;
        let checksum = match compression {
            Compression::Stored => {
                let mut writer = config.wrap(&mut entry);
                npy::emit(&mut writer, header, array)?;
                writer.finish().map_err(io::Error::other)?.1
            }
            Compression::Deflated => {
                let encoder = DeflateEncoder::new(&mut entry, flate2::Compression::default());
                let mut writer = config.wrap(encoder);
                npy::emit(&mut writer, header, array)?;
                let (encoder, checksum) = writer.finish().map_err(io::Error::other)?;
                encoder.finish()?;
                checksum
            }
        };
        entry.finish(checksum).map_err(io::Error::other)?;
    }
    zip.finish().map_err(io::Error::other)?;
    Ok(())
}
