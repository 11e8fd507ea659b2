//! zip archives, as NumPy and PyTorch write them: members stored or deflated, never trusted.
//!
//! Against zip bombs: members must not share bytes of the file, and a member that claims more than deflate
//! can possibly expand its bytes to (1032 times) is refused, so a file can never unpack to more than that
//! multiple of itself. Every member's CRC is checked when it is read.

use super::mapped::Source;
use super::{Problem, printable};
use rawzip::{CompressionMethod, ZipArchive};
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

/// Deflate's largest expansion: 258 bytes from 2 bits (zlib's technical notes), and a block's header.
const MAX_EXPANSION: u64 = 1032;

/// An open archive.
pub(super) struct Zip {
    source: Source,
    members: BTreeMap<String, Member>,
}

/// Where a member lies and what the directory says of it.
struct Member {
    start: usize,
    end: usize,
    size: usize,
    crc: u32,
    method: CompressionMethod,
}

impl Zip {
    /// Reads the directory.
    pub fn open(source: Source) -> Result<Zip, Problem> {
        let bytes: &[u8] = (*source).as_ref();
        let corrupt = |e: rawzip::Error| format!("is not a readable zip archive: {e}");
        let archive = ZipArchive::from_slice(bytes).map_err(corrupt)?;
        let mut members = BTreeMap::new();
        let mut entries = archive.entries();
        let mut count = 0;
        while let Some(entry) = entries.next_entry().map_err(corrupt)? {
            count += 1;
            let name = entry.file_path();
            let name = std::str::from_utf8(name.as_bytes()).map_err(|_| "has a member whose name is not UTF-8")?;
            let problem = |what: &str| format!("has a member `{}` that {what}", printable(name));
            if entry.flags().is_encrypted() {
                return Err(problem("is encrypted"));
            }
            let method = entry.compression_method();
            if method != CompressionMethod::STORE && method != CompressionMethod::DEFLATE {
                return Err(problem(&format!("is compressed by {method}; only stored and deflated members are read")));
            }
            let local = archive.get_entry(entry.wayfinder()).map_err(|_| problem("lies outside the file"))?;
            let (start, end) = local.compressed_data_range();
            let (packed, size) = (end - start, entry.uncompressed_size_hint());
            let possible = if method == CompressionMethod::STORE {
                size == packed
            } else {
                size <= packed.saturating_mul(MAX_EXPANSION)
            };
            if !possible {
                return Err(problem(&format!("claims {size} bytes, which its {packed} bytes cannot hold")));
            }
            let member =
                Member { start: start as usize, end: end as usize, size: size as usize, crc: entry.crc32(), method };
            if members.insert(name.to_owned(), member).is_some() {
                return Err(problem("appears twice"));
            }
        }
        if count != archive.entries_hint() {
            return Err(format!(
                "is not a readable zip archive: it has {count} members and says {}",
                archive.entries_hint()
            ));
        }
        disjoint(&members)?;
        Ok(Zip { members, source })
    }

    /// The names of the members, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The unpacked size of a member, if there is one of this name.
    pub fn size(&self, name: &str) -> Option<usize> {
        self.members.get(name).map(|member| member.size)
    }

    /// The first bytes of a member, at most `length`.
    pub fn beginning(&self, name: &str, length: usize) -> Result<Vec<u8>, Problem> {
        self.unpack(self.member(name)?, length)
            .map_err(|problem| format!("has a member `{}` that {problem}", printable(name)))
    }

    /// A whole member as bytes `start..start + length` of a source: of the file itself when it is stored.
    pub fn read(&self, name: &str) -> Result<(Source, usize, usize), Problem> {
        let member = self.member(name)?;
        let problem = |what: &str| format!("has a member `{}` that {what}", printable(name));
        let (source, start) = if member.method == CompressionMethod::STORE {
            (self.source.clone(), member.start)
        } else {
            // One byte more than claimed shows whether there is more.
            let bytes = self.unpack(member, member.size + 1).map_err(|what| problem(&what))?;
            if bytes.len() != member.size {
                return Err(problem(&format!("does not unpack to the {} bytes it claims", member.size)));
            }
            (Arc::new(bytes) as Source, 0)
        };
        if rawzip::crc32(&(*source).as_ref()[start..][..member.size]) != member.crc {
            return Err(problem("is corrupt: its checksum differs"));
        }
        Ok((source, start, member.size))
    }

    fn member(&self, name: &str) -> Result<&Member, Problem> {
        self.members.get(name).ok_or_else(|| format!("has no member `{}`", printable(name)))
    }

    fn unpack(&self, member: &Member, limit: usize) -> Result<Vec<u8>, Problem> {
        let packed = &(*self.source).as_ref()[member.start..member.end];
        let mut bytes = Vec::new();
        let read = if member.method == CompressionMethod::STORE {
            packed.take(limit as u64).read_to_end(&mut bytes)
        } else {
            flate2::bufread::DeflateDecoder::new(packed).take(limit as u64).read_to_end(&mut bytes)
        };
        read.map_err(|e| format!("cannot be unpacked: {e}"))?;
        Ok(bytes)
    }
}

/// No two members may share bytes: overlapping members are how a small file claims unbounded contents.
fn disjoint(members: &BTreeMap<String, Member>) -> Result<(), Problem> {
    let mut ranges: Vec<_> =
        members.iter().filter(|(_, m)| m.start < m.end).map(|(n, m)| (m.start, m.end, n)).collect();
    ranges.sort_unstable();
    match ranges.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        Some(pair) => Err(format!(
            "has members `{}` and `{}` that overlap in the file",
            printable(pair[0].2),
            printable(pair[1].2)
        )),
        None => Ok(()),
    }
}
