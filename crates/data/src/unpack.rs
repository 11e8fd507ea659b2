//! Opening a file that may be gzip-compressed, without trusting what it says about its size.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::{Error, Result};

/// Bytes a compressed file may unpack to: a gzip bomb ends here (4 GiB).
const MOST: u64 = 1 << 32;

/// Opens `path`; a file that begins with the gzip signature is unpacked on the way, whatever its name.
pub fn open(path: &Path) -> Result<Box<dyn Read>> {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(|error| Error::file(path, error))?);
    let start = file.fill_buf().map_err(|error| Error::file(path, error))?;
    if start.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(MultiGzDecoder::new(file).take(MOST)))
    } else {
        Ok(Box::new(file))
    }
}

/// Reads exactly `count` bytes of `what`, and memory grows with the bytes that are there, not with `count`.
pub fn take(reader: &mut dyn Read, count: u64, path: &Path, what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(count).read_to_end(&mut bytes).map_err(|error| Error::file(path, error))?;
    if (bytes.len() as u64) < count {
        let message = format!("truncated: {what} should have {count} bytes, found {}", bytes.len());
        return Err(Error::file(path, message));
    }
    Ok(bytes)
}

/// Checks that nothing follows.
pub fn end(reader: &mut dyn Read, path: &Path) -> Result<()> {
    match reader.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Error::file(path, "more bytes follow than the header announces; is this the right file?")),
        Err(error) => Err(Error::file(path, error)),
    }
}
