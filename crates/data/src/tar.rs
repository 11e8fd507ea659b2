//! Reading the files of a tar archive in one pass, without writing anything to disk.
//!
//! The format is POSIX ustar (IEEE Std 1003.1, "pax"): 512-byte headers, then the file's bytes padded to 512.

use std::io::Read;
use std::path::Path;

use crate::{Error, Result, unpack};

const BLOCK: usize = 512;

/// Calls `visit` with the name (without folders) and the bytes of each file that `wanted` picks by name.
///
/// # Errors
/// When the archive is damaged or a picked file is larger than `most` bytes.
pub fn files(
    path: &Path,
    most: u64,
    wanted: impl Fn(&str) -> bool,
    mut visit: impl FnMut(&str, Vec<u8>) -> Result<()>,
) -> Result<()> {
    let mut archive = unpack::open(path)?;
    loop {
        let header = unpack::take(&mut archive, BLOCK as u64, path, "a header of a tar archive")?;
        if header.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        let sum: u32 =
            header.iter().enumerate().map(|(i, &b)| if (148..156).contains(&i) { 32 } else { b.into() }).sum();
        if octal(&header[148..156]) != Some(sum.into()) {
            return Err(Error::file(path, "not a tar archive, or a damaged one: a header's checksum is wrong"));
        }
        let size = octal(&header[124..136]).ok_or_else(|| Error::file(path, "a file's size is not an octal number"))?;
        let padded = size.next_multiple_of(BLOCK as u64);
        let name = String::from_utf8_lossy(header[..100].split(|&byte| byte == 0).next().unwrap_or_default());
        let name = name.rsplit('/').next().unwrap_or_default();
        // Type '0' (or 0 in old archives) is a regular file.
        if matches!(header[156], 0 | b'0') && wanted(name) {
            if size > most {
                return Err(Error::file(path, format!("{name} inside is {size} bytes long; expected at most {most}")));
            }
            let mut bytes = unpack::take(&mut archive, padded, path, name)?;
            bytes.truncate(size as usize);
            visit(name, bytes)?;
        } else {
            let skipped = std::io::copy(&mut archive.by_ref().take(padded), &mut std::io::sink());
            let skipped = skipped.map_err(|error| Error::file(path, error))?;
            if skipped < padded {
                return Err(Error::file(path, format!("truncated inside {name}")));
            }
        }
    }
}

/// A number in octal digits, ended by a space or a zero byte; at most 8^11.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::testing::{compress, fails, folder};

    /// A compressed archive of the given files.
    pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in files {
            let mut header = [0; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
            header[156] = b'0';
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
            header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
            header[154] = 0;
            bytes.extend(header);
            bytes.extend(*content);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        }
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        compress(&bytes)
    }

    #[test]
    fn picks_files_by_name() {
        let folder = folder();
        let path = folder.write("a.tar.gz", archive(&[("x/one", &[1; 700]), ("x/two", b"hello"), ("three", b"")]));
        let mut seen = Vec::new();
        files(
            &path,
            1000,
            |name| name != "one",
            |name, bytes| {
                seen.push((name.to_string(), bytes));
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(seen, [("two".to_string(), b"hello".to_vec()), ("three".to_string(), vec![])]);
    }

    #[test]
    fn damaged_archives_give_one_clear_error() {
        let folder = folder();
        let read = |bytes: &[u8], most| files(&folder.write("a.tar", bytes), most, |_| true, |_, _| Ok(()));
        fails(read(&[1; 600], 9), &["a.tar", "not a tar archive"]);
        fails(read(&[0; 100], 9), &["should have 512 bytes, found 100"]);
        fails(read(&archive(&[("big", &[0; 20])]), 9), &["big inside is 20 bytes long; expected at most 9"]);
    }
}
