//! IDX, the format of MNIST and Fashion-MNIST: a magic number, the sizes of the axes, the bytes.
//!
//! Source: the format's description at <http://yann.lecun.com/exdb/mnist/>. All integers are big-endian.

use std::path::Path;

use crate::{Error, Result, unpack};

/// An array of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Sizes of the axes: `[samples, rows, columns]` for images, `[samples]` for labels.
    pub shape: Vec<usize>,
    /// The elements in row-major order.
    pub values: Vec<u8>,
}

/// Reads an IDX file of unsigned bytes, plain or gzip-compressed.
///
/// # Errors
/// When the file cannot be read, is not IDX, holds another type than unsigned bytes, or is shorter or longer than its
/// header says. Memory grows with the bytes that are there, whatever the header announces.
pub fn read(path: impl AsRef<Path>) -> Result<Idx> {
    let path = path.as_ref();
    let mut file = unpack::open(path)?;
    let magic = unpack::take(&mut file, 4, path, "the magic number of an IDX file")?;
    let axes = match magic[..] {
        [0, 0, 0x08, axes @ 1..=4] => u64::from(axes),
        [0, 0, 0x08, axes] => {
            return Err(Error::file(path, format!("an IDX file of {axes} axes; expected 1 (labels) to 4")));
        }
        [0, 0, kind @ (0x09 | 0x0b..=0x0e), _] => {
            let message = format!("IDX elements of type 0x{kind:02x}; expected 0x08 (unsigned bytes)");
            return Err(Error::file(path, message));
        }
        _ => {
            let message = format!("not an IDX file: it begins with {magic:02x?}, expected [00, 00, 08, axes]");
            return Err(Error::file(path, message));
        }
    };
    let header = unpack::take(&mut file, 4 * axes, path, "the sizes of the axes")?;
    let shape: Vec<usize> =
        header.chunks_exact(4).map(|size| u32::from_be_bytes([size[0], size[1], size[2], size[3]]) as usize).collect();
    let count = shape.iter().try_fold(1u64, |count, &size| count.checked_mul(size as u64));
    let count = count.ok_or_else(|| Error::file(path, format!("an array of shape {shape:?} cannot exist")))?;
    let values = unpack::take(&mut file, count, path, &format!("an array of shape {shape:?}"))?;
    unpack::end(&mut file, path)?;
    Ok(Idx { shape, values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compress, fails, folder};

    fn labels() -> Vec<u8> {
        [&[0, 0, 8, 1, 0, 0, 0, 3][..], &[7, 2, 9]].concat()
    }

    #[test]
    fn reads_plain_and_compressed() {
        let folder = folder();
        for (name, bytes) in [("plain", labels()), ("packed.gz", compress(&labels()))] {
            let path = folder.write(name, &bytes);
            assert_eq!(read(path).unwrap(), Idx { shape: vec![3], values: vec![7, 2, 9] });
        }
    }

    #[test]
    fn each_damaged_file_gives_one_clear_error() {
        let folder = folder();
        let huge = [&[0, 0, 8, 3][..], &[0xff; 12], &[1, 2]].concat();
        let cases: [(&str, Vec<u8>, &str); 9] = [
            ("empty", vec![], "the magic number of an IDX file should have 4 bytes, found 0"),
            ("text", b"hello".to_vec(), "not an IDX file: it begins with [68, 65, 6c, 6c]"),
            ("floats", [0, 0, 0x0d, 1, 0, 0, 0, 0].to_vec(), "type 0x0d; expected 0x08"),
            ("axes", [0, 0, 8, 200].to_vec(), "an IDX file of 200 axes"),
            ("short", labels()[..10].to_vec(), "an array of shape [3] should have 3 bytes, found 2"),
            ("long", [labels(), vec![0]].concat(), "more bytes follow"),
            ("huge", huge.clone(), "cannot exist"),
            ("many", [&[0, 0, 8, 2][..], &[0xff; 8], &[1]].concat(), "bytes, found 1"),
            ("cut.gz", compress(&labels())[..20].to_vec(), "cut.gz"),
        ];
        for (name, bytes, expected) in cases {
            fails(read(folder.write(name, &bytes)), &[name, expected]);
        }
        fails(read(folder.path("absent")), &["absent"]);
    }
}
