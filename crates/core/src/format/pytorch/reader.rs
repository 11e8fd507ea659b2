//! The bytes of a pickle, read from the front.

use super::super::Problem;

/// A position in a file's bytes that only moves forward.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// The number of bytes read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The number of bytes left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `length` bytes; `length` may come straight from the file.
    pub fn take(&mut self, length: u64) -> Result<&'a [u8], Problem> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(length).ok().and_then(|n| rest.get(..n));
        let taken = taken.ok_or_else(|| {
            format!("is truncated or corrupt: byte {} announces {length} bytes, and {} follow", self.at, rest.len())
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let rest = &self.bytes[self.at..];
        let (array, _) =
            rest.split_first_chunk().ok_or_else(|| "ends in the middle of its pickle: it is truncated".to_owned())?;
        self.at += N;
        Ok(*array)
    }

    pub fn u8(&mut self) -> Result<u8, Problem> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Problem> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Problem> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Problem> {
        self.array().map(u64::from_le_bytes)
    }

    /// The text up to the next line break, which is read too.
    pub fn line(&mut self) -> Result<&'a str, Problem> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&b| b == b'\n').ok_or("ends in the middle of a name: it is truncated")?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).map_err(|_| "has a name that is not UTF-8".into())
    }

    /// `length` bytes of text.
    pub fn text(&mut self, length: u64) -> Result<&'a str, Problem> {
        std::str::from_utf8(self.take(length)?).map_err(|_| "has a string that is not UTF-8".into())
    }
}
