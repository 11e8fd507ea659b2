//! CIFAR's binary version: records of label bytes followed by 3 × 32 × 32 pixel bytes (red, green, blue planes).
//!
//! Source: <https://www.cs.toronto.edu/~kriz/cifar.html>, "Binary version".

use std::io::Read;
use std::path::Path;

use crate::{Error, Result, unpack};

/// Bytes of an image: `[3, 32, 32]`.
pub const PIXELS: usize = 3 * 32 * 32;

/// Which of the two sets a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// One label byte, 0 to 9.
    Cifar10,
    /// Two label bytes: the coarse one, 0 to 19, and the fine one, 0 to 99.
    Cifar100,
}

/// The records of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// `[samples, 3, 32, 32]`.
    pub images: Vec<u8>,
    /// The label of each sample; of CIFAR-100 the fine one.
    pub labels: Vec<u8>,
    /// CIFAR-100's coarse labels; empty for CIFAR-10.
    pub coarse: Vec<u8>,
}

impl Records {
    /// Puts `more` behind these.
    pub fn append(&mut self, more: Records) {
        self.images.extend(more.images);
        self.labels.extend(more.labels);
        self.coarse.extend(more.coarse);
    }
}

/// Reads a file of any number of records, plain or gzip-compressed.
///
/// # Errors
/// When the file cannot be read, is empty, ends inside a record, or has a label out of range (the record is named).
pub fn read(path: impl AsRef<Path>, variant: Variant) -> Result<Records> {
    let path = path.as_ref();
    let mut bytes = Vec::new();
    unpack::open(path)?.read_to_end(&mut bytes).map_err(|error| Error::file(path, error))?;
    parse(&bytes, variant, path)
}

/// Takes the records out of the bytes of a file; `path` is for messages.
pub fn parse(bytes: &[u8], variant: Variant, path: &Path) -> Result<Records> {
    let (label_bytes, classes, name) = match variant {
        Variant::Cifar10 => (1, 10, "CIFAR-10"),
        Variant::Cifar100 => (2, 100, "CIFAR-100"),
    };
    let size = label_bytes + PIXELS;
    if bytes.is_empty() || !bytes.len().is_multiple_of(size) {
        let message = format!(
            "{} bytes are not a whole number of {name} records of {size} bytes (is the file truncated, or of the other \
             CIFAR?)",
            bytes.len()
        );
        return Err(Error::file(path, message));
    }
    let mut records = Records::default();
    for (index, record) in bytes.chunks_exact(size).enumerate() {
        let (labels, image) = record.split_at(label_bytes);
        let label = labels[label_bytes - 1];
        if label >= classes {
            let message = format!("record {index} has label {label}; {name} labels are 0 to {}", classes - 1);
            return Err(Error::file(path, message));
        }
        records.images.extend_from_slice(image);
        records.labels.push(label);
        records.coarse.extend_from_slice(&labels[..label_bytes - 1]);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{compress, fails, folder};

    fn record(labels: &[u8]) -> Vec<u8> {
        let pixels = (0..PIXELS).map(|i| (i % 251) as u8);
        labels.iter().copied().chain(pixels).collect()
    }

    #[test]
    fn reads_records_of_both_sets() {
        let folder = folder();
        let ten = read(folder.write("ten", [record(&[3]), record(&[9])].concat()), Variant::Cifar10).unwrap();
        assert_eq!((ten.labels, ten.coarse), (vec![3, 9], vec![]));
        assert_eq!(ten.images[PIXELS..], record(&[])[..]);
        let packed = folder.write("hundred.gz", compress(&record(&[11, 98])));
        let hundred = read(packed, Variant::Cifar100).unwrap();
        assert_eq!((hundred.labels, hundred.coarse), (vec![98], vec![11]));
    }

    #[test]
    fn each_damaged_file_gives_one_clear_error() {
        let folder = folder();
        let read = |name: &str, bytes: &[u8]| read(folder.write(name, bytes), Variant::Cifar10);
        fails(read("empty", &[]), &["empty", "0 bytes are not a whole number"]);
        fails(read("cut", &record(&[1])[1..]), &["cut", "3072 bytes", "records of 3073 bytes"]);
        fails(read("label", &[record(&[1]), record(&[10])].concat()), &["record 1 has label 10", "0 to 9"]);
    }
}
