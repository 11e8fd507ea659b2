//! Safetensors files that lie: headers, entries, offsets.

use crate::{counted, refusal};
use hadal_core::Tensor;
use hadal_core::format::safetensors;
use std::path::Path;

fn file(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
}

fn entry(name: &str, dtype: &str, shape: &str, begin: i64, end: i64) -> String {
    format!("\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}")
}

#[track_caller]
fn refused(bytes: Vec<u8>, message: &str) {
    assert_eq!(refusal(safetensors::from_bytes, bytes), format!("safetensors data {message}"));
}

#[test]
fn headers() {
    refused(vec![1, 2, 3], "is not a safetensors file: it has 3 bytes, fewer than the first field");
    refused(
        [&(1u64 << 60).to_le_bytes(), b"{}".as_slice()].concat(),
        "claims a header of 1152921504606846976 bytes, but only 2 follow: it is truncated or not a safetensors file",
    );
    refused(file("", 0), "is not a safetensors file: its header does not begin with `{`");
    refused(file("[1]", 0), "is not a safetensors file: its header does not begin with `{`");
    refused(file("{", 0), "has a header that cannot be read: EOF while parsing an object at line 1 column 1");
    refused(file("{} {}", 0), "has a header that cannot be read: trailing characters at line 1 column 4");
    let mut invalid = file("{\"abc\":1}", 0);
    invalid[11] = 0xff;
    refused(invalid, "has a header that is not UTF-8 (byte 11 of the file)");
    refused(
        file("{\"w\":3}", 0),
        "has a header that cannot be read: `w`: invalid type: integer `3`, expected a map at line 1 column 6",
    );
    refused(
        file("{\"__metadata__\":{\"a\":1}}", 0),
        "has a header that cannot be read: `__metadata__`: invalid type: integer `1`, expected a string at line 1 column 22",
    );
    let deep = format!("{{\"w\":{}", "[".repeat(100_000));
    assert!(
        refusal(safetensors::from_bytes, file(&deep, 0)).contains("has a header that cannot be read"),
        "no recursion without bound"
    );
    refused(
        vec![b' '; 1 << 20],
        "claims a header of 2314885530818453536 bytes, but only 1048568 follow: it is truncated or not a safetensors file",
    );
    let mut long = vec![b'{'; 100_000_100];
    long[..8].copy_from_slice(&100_000_001u64.to_le_bytes());
    refused(long, "has a header of 100000001 bytes; the format allows 100000000");
}

#[test]
fn entries() {
    let one = |dtype, shape, begin, end| file(&format!("{{{}}}", entry("w", dtype, shape, begin, end)), 8);
    refused(
        file("{\"w\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8),
        "has a header that cannot be read: `w`: `data_offsets` is missing at line 1 column 33",
    );
    refused(
        one("F32", "[-1]", 0, 8),
        "has a header that cannot be read: `w`: `shape` is `[-1]`: invalid value: integer `-1`, expected usize at line 1 column 3",
    );
    refused(
        one("F32", "[2]", -8, 0),
        "has a header that cannot be read: `w`: `data_offsets` is `[-8,0]`: invalid value: integer `-8`, expected usize at line 1 column 3",
    );
    refused(
        one("F8_E4M3", "[8]", 0, 8),
        "tensor `w` has type F8_E4M3, which Hadal does not have: convert it to one of BOOL U8 I8 I16 U16 I32 U32 I64 F16 BF16 F32 F64",
    );
    refused(one("F32", "[3]", 0, 8), "tensor `w` of type F32 and shape [3] takes 12 bytes, but has 8");
    refused(one("F32", "[]", 0, 8), "tensor `w` of type F32 and shape [] takes 4 bytes, but has 8");
    refused(
        one("F32", "[2]", 4, 12),
        "tensor `w` has offsets 4..12, outside the 8 bytes of data: the file is truncated or corrupt",
    );
    refused(
        one("F32", "[0]", 8, 4),
        "tensor `w` has offsets 8..4, outside the 8 bytes of data: the file is truncated or corrupt",
    );
    refused(
        one("F64", "[1152921504606846976,16]", 0, 8),
        "tensor `w` has shape [1152921504606846976, 16], which is more than memory can address",
    );
    refused(
        one("F64", "[0,4294967296,4294967296]", 0, 0),
        "tensor `w` has shape [0, 4294967296, 4294967296], which is more than memory can address",
    );
    // Two bytes an element in the file, four in memory.
    refused(
        one("U16", "[0,2305843009213693952]", 0, 0),
        "tensor `w` has shape [0, 2305843009213693952], which is more than memory can address",
    );
    let ones = format!("[{}1]", "1,".repeat(99));
    refused(one("F64", &ones, 0, 8), "tensor `w` has 100 axes; at most 64 are supported");
    refused(one("F32", "[1]", 0, 4), "has 4 bytes after the last tensor that belong to none");
}

#[test]
fn tensors_that_share_repeat_or_leave_bytes() {
    let two = |first: String, second: String| file(&format!("{{{first},{second}}}"), 12);
    let e = |name, begin, end| entry(name, "U8", &format!("[{}]", end - begin), begin, end);
    refused(
        two(e("a", 0, 8), e("b", 4, 12)),
        "tensor `b` begins at byte 4 of the data and overlaps the one that ends at 8",
    );
    refused(
        two(e("a", 0, 4), e("b", 8, 12)),
        "tensor `b` begins at byte 8 of the data, which leaves a hole after byte 4",
    );
    refused(two(e("a", 0, 4), e("a", 4, 12)), "tensor `a` appears twice");
    refused(
        two("\"__metadata__\":{}".into(), "\"__metadata__\":{}".into()),
        "has a header that cannot be read: `__metadata__`: it appears twice at line 1 column 33",
    );
    refused(
        two("\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}".into(), e("a", 0, 12)),
        "has a header that cannot be read: `__metadata__`: the key `k` appears twice at line 1 column 33",
    );
}

/// A mapped file costs its header, not its size.
#[test]
fn reading_maps_the_file() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mapped-{}.safetensors", std::process::id()));
    let tensors = [("w".to_owned(), Tensor::arange(1 << 20))].into();
    safetensors::write(&path, &tensors, &Default::default()).unwrap();
    let (archive, allocated) = counted(|| safetensors::read(&path).unwrap());
    assert!(allocated < 1 << 14, "{allocated} bytes for a file of 8 MiB");
    assert_eq!(archive.tensors["w"].to_vec::<i64>().last(), Some(&((1 << 20) - 1)));
    std::fs::write(&path, b"short").unwrap();
    assert_eq!(
        safetensors::read(&path).unwrap_err().to_string(),
        format!("{}: is not a safetensors file: it has 5 bytes, fewer than the first field", path.display())
    );
    std::fs::remove_file(&path).unwrap();
    assert_eq!(
        safetensors::read(&path).unwrap_err().to_string(),
        format!("{}: cannot be read: No such file or directory (os error 2)", path.display())
    );
    let directory = env!("CARGO_TARGET_TMPDIR");
    assert_eq!(
        safetensors::read(directory).unwrap_err().to_string(),
        format!("{directory}: cannot be read: it is not a regular file")
    );
}
