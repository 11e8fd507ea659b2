//! Npy files that lie in their headers.

use crate::refusal;
use hadal_core::format::npy;

pub fn file(header: &str, data: usize) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &vec![0; data]].concat()
}

#[track_caller]
fn refused(bytes: Vec<u8>, message: &str) {
    assert_eq!(refusal(npy::from_bytes, bytes), format!("npy data {message}"));
}

#[test]
fn headers() {
    let header = |descr: &str, shape: &str| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}");
    refused(b"PK".into(), "is not an npy file: it does not begin with \\x93NUMPY");
    refused(b"\x93NUMPY\x07\x00\x00\x00".into(), "has npy version 7.0; versions 1.0 to 3.0 are known");
    refused(b"\x93NUMPY\x02\x00\xff\xff\xff\xff".into(), "has a header of 4294967295 bytes; at most 65536 are read");
    refused(b"\x93NUMPY\x01\x00\x09\x00{".into(), "is truncated in its header");
    refused(file(&header("'<f4'", "(2, 2)"), 12), "needs 16 bytes for shape [2, 2], but has 12: it is truncated");
    refused(file(&header("'<f4'", "(2, 2)"), 20), "needs 16 bytes for shape [2, 2], but has 20");
    refused(
        file(&header("'<f8'", "(1152921504606846976, 16)"), 0),
        "has shape [1152921504606846976, 16], which is more than memory can address",
    );
    // Two bytes an element in the file, four in memory.
    refused(
        file(&header("'<i2'", "(0, 2305843009213693952)"), 0),
        "has shape [0, 2305843009213693952], which is more than memory can address",
    );
    refused(
        file(&header("'<f8'", "(99999999999999999999,)"), 0),
        "has a header that cannot be read: `99999999999999999999,)}` does not begin with a size",
    );
    refused(file(&header("'<f8'", "(-1,)"), 0), "has a header that cannot be read: `-1,)}` does not begin with a size");
    refused(
        file(&header("'<c8'", "(1,)"), 8),
        "holds elements of type <c8, which are complex numbers; use .astype(numpy.float32) or another number type \
         up to 64 bits before saving",
    );
    refused(file("{'descr': '<f4', 'shape': (), }", 4), "has a header that cannot be read: `fortran_order` is missing");
    refused(
        file("{'descr': '<f4', 'descr': '<f8'}", 4),
        "has a header that cannot be read: the key `descr` is unknown or repeated",
    );
    refused(
        file("__import__('os').system('true')", 4),
        "has a header that cannot be read: expected `{` before `__import__('os').system('true')`",
    );
    let axes = format!("({})", "1,".repeat(100));
    refused(file(&header("'<f4'", &axes), 4), "has 100 axes; at most 64 are supported");
}
