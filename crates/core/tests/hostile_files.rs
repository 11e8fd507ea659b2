//! Files that lie: each gives one clear error, allocates little, and never panics.

use hadal_core::format::{npy, npz, pytorch, safetensors};
use hadal_core::{Result, Tensor};
use pytorch::Value;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

/// Counts the bytes that each thread asks for.
struct Counting;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator unchanged; the counter is a constant-initialized
// thread-local without a destructor, so touching it neither allocates nor runs after its end.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + size);
        // SAFETY: as above.
        unsafe { System.realloc(start, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The result of `f` and all the bytes it ever asked for, freed or not.
fn counted<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.get();
    let result = f();
    (result, ALLOCATED.get() - before)
}

/// The message of a refusal. All that was allocated on the way, growing vectors counted at every size they
/// had, is at most 128 times the file's bytes (a byte of a pickle can make a list) and 256 KiB (the windows of deflate).
#[track_caller]
fn refusal<T>(read: fn(Vec<u8>) -> Result<T>, bytes: Vec<u8>) -> String {
    let length = bytes.len();
    let (result, allocated) = counted(|| read(bytes));
    assert!(allocated <= 128 * length + (1 << 18), "{allocated} bytes for a file of {length}");
    result.err().expect("the file is refused").to_string()
}

mod safetensors_files {
    use super::*;

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
}

mod npy_files {
    use super::*;

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
        let header =
            |descr: &str, shape: &str| format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}");
        refused(b"PK".into(), "is not an npy file: it does not begin with \\x93NUMPY");
        refused(b"\x93NUMPY\x07\x00\x00\x00".into(), "has npy version 7.0; versions 1.0 to 3.0 are known");
        refused(
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff".into(),
            "has a header of 4294967295 bytes; at most 65536 are read",
        );
        refused(b"\x93NUMPY\x01\x00\x09\x00{".into(), "is truncated in its header");
        refused(file(&header("'<f4'", "(2, 2)"), 12), "needs 16 bytes for shape [2, 2], but has 12: it is truncated");
        refused(file(&header("'<f4'", "(2, 2)"), 20), "needs 16 bytes for shape [2, 2], but has 20");
        refused(
            file(&header("'<f8'", "(1152921504606846976, 16)"), 0),
            "has shape [1152921504606846976, 16], which is more than memory can address",
        );
        refused(
            file(&header("'<f8'", "(99999999999999999999,)"), 0),
            "has a header that cannot be read: `99999999999999999999,)}` does not begin with a size",
        );
        refused(
            file(&header("'<f8'", "(-1,)"), 0),
            "has a header that cannot be read: `-1,)}` does not begin with a size",
        );
        refused(
            file(&header("'<c8'", "(1,)"), 8),
            "holds elements of type <c8, which are complex numbers; use .astype(numpy.float32) or another number type \
             up to 64 bits before saving",
        );
        refused(
            file("{'descr': '<f4', 'shape': (), }", 4),
            "has a header that cannot be read: `fortran_order` is missing",
        );
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
}

/// Archives made by hand, so that every field can lie.
mod zip_files {
    use super::*;

    #[derive(Clone)]
    pub struct Member {
        pub name: &'static str,
        pub data: Vec<u8>,
        pub method: u16,
        pub flags: u16,
        pub size: u32,
        pub crc: u32,
    }

    pub fn member(name: &'static str, data: &[u8]) -> Member {
        Member { name, data: data.to_vec(), method: 0, flags: 0, size: data.len() as u32, crc: rawzip::crc32(data) }
    }

    pub fn deflated(name: &'static str, data: &[u8]) -> Member {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, data).unwrap();
        Member { data: encoder.finish().unwrap(), method: 8, ..member(name, data) }
    }

    /// An archive whose directory says of each member that it begins at its offset plus `shift`.
    pub fn archive(members: &[Member], shift: i64) -> Vec<u8> {
        let (mut file, mut directory) = (Vec::new(), Vec::new());
        for (i, m) in members.iter().enumerate() {
            let at = file.len() as i64 + if i > 0 { shift } else { 0 };
            let mut fields = Vec::new();
            [20, m.flags, m.method, 0, 0].iter().for_each(|v: &u16| fields.extend(v.to_le_bytes()));
            [m.crc, m.data.len() as u32, m.size].iter().for_each(|v| fields.extend(v.to_le_bytes()));
            fields.extend((m.name.len() as u16).to_le_bytes());
            fields.extend([0, 0]);
            file.extend(b"PK\x03\x04");
            file.extend(&fields);
            file.extend(m.name.as_bytes());
            file.extend(&m.data);
            directory.extend(b"PK\x01\x02\x14\x00");
            directory.extend(&fields);
            directory.extend([0; 10]);
            directory.extend((at as u32).to_le_bytes());
            directory.extend(m.name.as_bytes());
        }
        let (start, count) = (file.len() as u32, (members.len() as u16).to_le_bytes());
        file.extend(&directory);
        file.extend(b"PK\x05\x06\0\0\0\0");
        file.extend([count, count].concat());
        file.extend((directory.len() as u32).to_le_bytes());
        file.extend(start.to_le_bytes());
        file.extend([0, 0]);
        file
    }

    #[track_caller]
    fn refused(members: &[Member], message: &str) {
        assert_eq!(refusal(npz::from_bytes, archive(members, 0)), format!("npz data {message}"));
    }

    fn array(elements: usize, data: usize) -> Vec<u8> {
        npy_files::file(&format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({elements},)}}"), data)
    }

    #[test]
    fn honest_archives_are_read() {
        let members = [member("a.npy", &array(5, 5)), deflated("b.npy", &array(5000, 5000))];
        let arrays = npz::from_bytes(archive(&members, 0)).unwrap();
        assert_eq!((arrays["a"].elements(), arrays["b"].elements()), (5, 5000));
    }

    #[test]
    fn bombs() {
        // A member that claims more than its bytes can hold.
        let packed = deflated("a.npy", &array(5000, 5000));
        let length = packed.data.len();
        let message =
            format!("has a member `a.npy` that claims 4000000000 bytes, which its {length} bytes cannot hold");
        refused(&[Member { size: 4_000_000_000, ..packed.clone() }], &message);
        refused(
            &[Member { size: 4_000_000_000, ..member("a.npy", &[0; 9]) }],
            "has a member `a.npy` that claims 4000000000 bytes, which its 9 bytes cannot hold",
        );
        // A member whose own header disagrees with the archive, before anything of it is unpacked.
        refused(
            &[deflated("a.npy", &array(1 << 40, 5000))],
            "array `a` has 5077 bytes in the archive, but its own header makes it 1099511627853",
        );
        refused(
            &[Member { size: 5000, ..packed.clone() }],
            "array `a` has 5000 bytes in the archive, but its own header makes it 5068",
        );
        // A member that unpacks to more than it claims.
        let long = Member { size: 5068, ..deflated("a.npy", &array(5000, 9000)) };
        refused(&[long], "has a member `a.npy` that does not unpack to the 5068 bytes it claims");
        // Members over the same bytes.
        let one = member("a.npy", &array(5, 5));
        let nested = Member { name: "b.npy", ..one.clone() };
        let back = -((30 + one.name.len() + one.data.len()) as i64);
        assert_eq!(
            refusal(npz::from_bytes, archive(&[one.clone(), nested], back)),
            "npz data has members `a.npy` and `b.npy` that overlap in the file"
        );
        refused(&[one.clone(), one], "has a member `a.npy` that appears twice");
    }

    #[test]
    fn members() {
        let one = member("a.npy", &array(5, 5));
        refused(&[Member { crc: 0, ..one.clone() }], "has a member `a.npy` that is corrupt: its checksum differs");
        refused(&[Member { flags: 1, ..one.clone() }], "has a member `a.npy` that is encrypted");
        refused(
            &[Member { method: 12, ..one.clone() }],
            "has a member `a.npy` that is compressed by 12 (BZIP2); only stored and deflated members are read",
        );
        refused(&[member("a.txt", b"hello")], "array `a.txt` is not an npy file: it does not begin with \\x93NUMPY");
        refused(&[one.clone(), member("a", &array(5, 5))], "array `a` appears twice");
        let lost = archive(&[one.clone(), Member { name: "b.npy", ..one }], 1 << 30);
        assert_eq!(refusal(npz::from_bytes, lost), "npz data has a member `b.npy` that lies outside the file");
        let text = refusal(npz::from_bytes, b"hello".to_vec());
        assert!(text.starts_with("npz data is not a readable zip archive: "), "{text}");
    }

    #[test]
    fn archives_that_torch_save_did_not_write() {
        let refused = |members: &[Member], message: &str| {
            assert_eq!(refusal(pytorch::from_bytes, archive(members, 0)), format!("PyTorch data {message}"));
        };
        let none = b"\x80\x02N.";
        refused(&[member("a.npy", b"x")], "is a zip archive without `data.pkl`: torch.save did not write it");
        refused(
            &[member("m/data.pkl", none), member("m/constants.pkl", none)],
            "is a TorchScript program; save `model.state_dict()` instead",
        );
        refused(
            &[member("m/data.pkl", none), member("m/byteorder", b"middle")],
            "has byte order `middle`, not `little` or `big`",
        );
        refused(&[member("m/data.pkl", b"\x80\x02")], "ends in the middle of its pickle: it is truncated");
    }
}

mod pickles {
    use super::*;

    const MAGIC: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.";

    /// A stream with this pickle, without its opcodes PROTO and STOP, and these storages.
    fn stream(pickle: &[u8], storages: &[(&str, i64, &[u8])]) -> Vec<u8> {
        let mut file = [MAGIC, b"\x80\x02", pickle, b".\x80\x02("].concat();
        storages.iter().for_each(|(key, _, _)| file.extend(text(key)));
        file.extend(b"l.");
        for (_, count, data) in storages {
            file.extend(count.to_le_bytes());
            file.extend(*data);
        }
        file
    }

    fn text(text: &str) -> Vec<u8> {
        [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
    }

    fn int(n: i64) -> Vec<u8> {
        [b"\x8a\x08", &n.to_le_bytes()[..]].concat()
    }

    fn tuple(numbers: &[i64]) -> Vec<u8> {
        [b"(".to_vec(), numbers.iter().flat_map(|n| int(*n)).collect(), b"t".to_vec()].concat()
    }

    /// `_rebuild_tensor` over a storage `k` of `count` elements.
    fn tensor(class: &str, count: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
        let class = format!("c{}\n{}\n", class.rsplit_once('.').unwrap().0, class.rsplit_once('.').unwrap().1);
        let id = [b"(", &text("storage")[..], class.as_bytes(), &text("k"), &text("cpu"), &int(count), b"tQ"].concat();
        let arguments = [id, int(offset), tuple(shape), tuple(strides)].concat();
        [b"ctorch._utils\n_rebuild_tensor\n(", &arguments[..], b"tR"].concat()
    }

    #[track_caller]
    fn refused(file: Vec<u8>, message: &str) {
        assert_eq!(refusal(pytorch::from_bytes, file), format!("PyTorch data {message}"));
    }

    fn refused_call(pickle: &[u8], name: &str) {
        let message = format!(
            "wants to call {name}; only what rebuilds tensors, numbers, text, lists and dictionaries is allowed, and \
             nothing was run (Python would run that when it unpickles the file, so do not load it there unless you \
             trust it)"
        );
        refused(stream(pickle, &[]), &message);
    }

    #[test]
    fn code_is_named_and_not_run() {
        refused_call(b"cos\nsystem\nX\x04\0\0\0true\x85R", "os.system");
        refused_call(b"cposix\nsystem\nX\x04\0\0\0true\x85R", "posix.system");
        refused_call(b"X\x08\0\0\0builtinsX\x04\0\0\0eval\x93X\x01\0\0\x001\x85R", "builtins.eval");
        refused_call(b"(X\x04\0\0\0trueios\nsystem\n", "os.system");
        refused_call(b"ctorch.hub\nload\n)R", "torch.hub.load");
        refused_call(b"ctorch\nload\n)R", "torch.load");
        refused_call(b"ccollections\nnamedtuple\n)R", "collections.namedtuple");
        refused_call(b"c\x1b[31mred\nx\n)R", "\\u{1b}[31mred.x");
        let opcodes: [(&[u8], &str); 5] =
            [(b"I1\n", "INT"), (b"S'a'\n", "STRING"), (b"(o", "OBJ"), (b"P1\n", "PERSID"), (b"\x82\x01", "EXT")];
        for (pickle, name) in opcodes {
            let why = "which files of tensors written by torch.save do not need: it is not run";
            refused(stream(pickle, &[]), &format!("uses the pickle instruction {name}, {why}"));
        }
    }

    #[test]
    fn malformed_pickles() {
        let malformed = |pickle: &[u8], at: usize, what: &str| {
            let at = MAGIC.len() + 2 + at;
            refused(stream(pickle, &[]), &format!("is not a well-formed pickle at byte {at}: {what}"));
        };
        malformed(b"\xff", 0, "there is no instruction 0xff");
        malformed(b"\x80\x09", 0, "protocol 9 is not known");
        malformed(b"N00", 2, "the stack is empty");
        malformed(b"(0", 1, "the stack is empty");
        malformed(b"t", 0, "there is no mark");
        malformed(b"h\x05", 0, "memo 5 was never set");
        malformed(b"Na", 1, "the stack is empty");
        malformed(b"NNa", 2, "only a list can be appended to");
        malformed(b"}(Nu", 3, "a key has no value");
        malformed(b"NNs", 2, "the stack is empty");
        malformed(b"N)R", 2, "only a named function can be called");
        malformed(b"ctorch\nFloatStorage\n)R", 21, "Storage(Some(As(F32))) cannot be called with these 0 arguments");
        malformed(b"NQ", 1, "a tuple was expected");
        malformed(b")Q", 1, "a reference that is not to a storage");
        malformed(b"NNb", 2, "attributes of something that has none");
        refused(MAGIC.to_vec(), "ends in the middle of its pickle: it is truncated");
        refused(
            stream(b"]]0000", &[])[..MAGIC.len() + 2].to_vec(),
            "ends in the middle of its pickle: it is truncated",
        );
        refused([MAGIC, b"\x80\x02."].concat(), "has a pickle that ends without a value");
    }

    #[test]
    fn bombs() {
        let at = MAGIC.len() + 2 + 9;
        refused(
            stream(&[b"\x8d", &(1u64 << 60).to_le_bytes()[..]].concat(), &[]),
            &format!("is truncated or corrupt: byte {at} announces 1152921504606846976 bytes, and 6 follow"),
        );
        // Each list holds the one before ten times: thirty levels stand for 10^30 values.
        let mut laughs = b"]q\x00".to_vec();
        for level in 0..30 {
            laughs.extend([b"0](".as_slice(), &[b'h', level].repeat(10), &[b'e', b'q', level + 1]].concat());
        }
        let (result, allocated) = counted(|| pytorch::from_bytes(stream(&laughs, &[])));
        assert_eq!(result.unwrap_err().to_string(), "PyTorch data unfolds to more than 2097152 values: it is not read");
        assert!(allocated < 1 << 30, "{allocated}");
        refused(stream(b"]q\x00h\x00a", &[]), "nests its contents more than 64 deep, or within themselves");
        let deep = [vec![b']'; 500_000], vec![b'a'; 499_999]].concat();
        refused(stream(&deep, &[]), "nests its contents more than 64 deep, or within themselves");
        let tuples = [vec![b')'], vec![0x85; 500_000]].concat();
        refused(stream(&tuples, &[]), "nests its contents more than 64 deep, or within themselves");
        let steps = "has a pickle of more than 2097152 steps, more than weights need: it is not read further";
        refused(stream(&b"N0".repeat(1 << 21), &[]), steps);
        // A dictionary of a thousand pairs, copied again and again.
        let pairs = [b"](".as_slice(), &b"NN\x86".repeat(1000), b"eq\x00"].concat();
        let copies = b"ccollections\nOrderedDict\nh\x00\x85R0".repeat(5000);
        refused(stream(&[pairs, copies].concat(), &[]), steps);
        refused(
            stream(&[b"\x8a\xff".as_slice(), &[1; 255]].concat(), &[]),
            "has a whole number of 255 bytes; at most 16 are read",
        );
    }

    #[test]
    fn tensors() {
        let float = |count, offset, shape: &[i64], strides: &[i64]| {
            stream(&tensor("torch.FloatStorage", count, offset, shape, strides), &[("k", 4, &[0; 16])])
        };
        let Ok(Value::Tensor(fine)) = pytorch::from_bytes(float(4, 1, &[3], &[1])) else { panic!() };
        assert_eq!(fine.to_vec::<f32>(), [0.0; 3]);
        let outside = |shape: &[i64], strides: &[i64], offset: i64| {
            let place = format!("shape {shape:?}, strides {strides:?}, offset {offset}");
            let message = format!("has a tensor of {place} outside its storage `k` of 4 elements");
            refused(float(4, offset, shape, strides), &message);
        };
        outside(&[5], &[1], 0);
        outside(&[2, 2], &[3, 2], 0);
        outside(&[1], &[1], 4);
        outside(&[2], &[i64::MAX], 1);
        outside(&[2, 2], &[1], 0);
        refused(
            float(4, 0, &[1 << 60, 16], &[0, 0]),
            "has a tensor that has shape [1152921504606846976, 16], which is more than memory can address",
        );
        refused(
            float(4, 0, &[1 << 40], &[0]),
            "has a tensor of 1099511627776 elements over a storage `k` of 4: it is not believed",
        );
        refused(float(4, 0, &[1; 65], &[1; 65]), "has a tensor of 65 axes; at most 64 are supported");
        let negative = refusal(pytorch::from_bytes, float(4, -1, &[1], &[1]));
        assert!(negative.ends_with("a size, offset or stride was expected, not Int(-1)"), "{negative}");
        refused(
            float(1 << 60, 0, &[4], &[1]),
            "has 4 elements in storage `k`, not the 1152921504606846976 that its pickle says",
        );
        refused(
            stream(&tensor("torch.ComplexFloatStorage", 1, 0, &[1], &[1]), &[("k", 1, &[0; 8])]),
            "holds a tensor of type torch.ComplexFloatStorage, which Hadal does not have: convert it, for example with \
             .float(), before saving",
        );
    }

    #[test]
    fn storages() {
        let tensor = tensor("torch.FloatStorage", 4, 0, &[4], &[1]);
        refused(stream(&tensor, &[]), "lacks the storage `k`");
        refused(stream(&tensor, &[("z", 4, &[0; 16])]), "has a storage `z` that no tensor uses");
        refused(
            stream(&tensor, &[("k", -1, &[0; 16])]),
            "has -1 elements in storage `k`, not the 4 that its pickle says",
        );
        let short = stream(&tensor, &[("k", 4, &[0; 12])]);
        let at = short.len() - 12;
        refused(short, &format!("is truncated or corrupt: byte {at} announces 16 bytes, and 12 follow"));
        refused(stream(&tensor, &[("k", 4, &[0; 17])]), "has 1 bytes after its last storage");
        let twice = [("k", 4, [0; 16].as_slice()), ("k", 4, &[0; 16])];
        refused(stream(&tensor, &twice), "has two storages `k`");
    }

    #[test]
    fn other_files() {
        refused(Vec::new(), "is not a PyTorch file: it is neither a zip archive nor a pickle");
        refused(b"<html>".to_vec(), "is not a PyTorch file: it is neither a zip archive nor a pickle");
        refused(b"\x80\x02N.".to_vec(), "is not a PyTorch file: it is a pickle without PyTorch's magic number");
        refused(b"\x80\x04cos\nsystem\n)R.".to_vec(), "is not a PyTorch file: it is a pickle of something else");
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        refused(tar, "is a tar archive, the form of PyTorch 0.1; load it with an old PyTorch and save it again");
    }

    #[test]
    fn files_without_weights() {
        let state =
            |pickle: &[u8]| pytorch::from_bytes(stream(pickle, &[])).unwrap().state_dict().unwrap_err().to_string();
        let none = "and none of `state_dict`, `model_state_dict`, `model` is a dictionary of tensors";
        assert_eq!(
            state(b"N"),
            format!("the PyTorch file holds no state dict: its contents are no dictionary, {none}")
        );
        assert_eq!(state(b"}"), format!("the PyTorch file holds no state dict: its dictionary is empty, {none}"));
        let pickle = [b"}".to_vec(), text("epoch"), b"K\x03s".to_vec()].concat();
        assert_eq!(state(&pickle), format!("the PyTorch file holds no state dict: its keys are `epoch`, {none}"));
    }
}

/// Files that others wrote, damaged.
mod damage {
    use super::*;

    fn read(name: &str, bytes: Vec<u8>) -> Result<Vec<Tensor>> {
        fn collect(value: Value, found: &mut Vec<Tensor>) {
            match value {
                Value::Tensor(tensor) => found.push(tensor),
                Value::List(values) | Value::Tuple(values) => values.into_iter().for_each(|v| collect(v, found)),
                Value::Dict(pairs) => pairs.into_iter().for_each(|(_, v)| collect(v, found)),
                _ => {}
            }
        }
        Ok(match Path::new(name).extension().and_then(|e| e.to_str()) {
            Some("pt") => {
                let mut found = Vec::new();
                collect(pytorch::from_bytes(bytes)?, &mut found);
                found
            }
            Some("npz") => npz::from_bytes(bytes)?.into_values().collect(),
            Some("npy") => vec![npy::from_bytes(bytes)?],
            _ => safetensors::from_bytes(bytes)?.tensors.into_values().collect(),
        })
    }

    const FILES: [&str; 9] = [
        "types.pt",
        "types-stream.pt",
        "views-stream.pt",
        "checkpoint-protocol4.pt",
        "checkpoint-stream.pt",
        "arrays.npz",
        "arrays-compressed.npz",
        "version2.npy",
        "expected.safetensors",
    ];

    fn fixture(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/format").join(name)).unwrap()
    }

    #[test]
    fn every_truncation_is_an_error() {
        for name in FILES {
            let whole = fixture(name);
            assert!(read(name, whole.clone()).is_ok());
            for length in 0..whole.len() {
                assert!(read(name, whole[..length].to_vec()).is_err(), "the first {length} bytes of {name}");
            }
        }
    }

    /// A damaged file may still be well-formed; what it then holds can be used.
    #[test]
    fn changed_bytes_never_panic() {
        let mut seed = 1u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        for name in FILES {
            let whole = fixture(name);
            for _ in 0..3000 {
                let mut bytes = whole.clone();
                for _ in 0..=random(4) {
                    // Extreme values are where arithmetic overflows.
                    let value = [0, 1, 0x7f, 0x80, 0xff, random(256) as u8][random(6)];
                    bytes[random(whole.len())] = value;
                }
                let (tensors, allocated) = counted(|| read(name, bytes));
                assert!(allocated < 2048 * whole.len(), "{allocated} bytes for {name}");
                let tensors = tensors.unwrap_or_default();
                tensors.iter().filter(|t| t.elements() < 1 << 16).for_each(|t| drop(t.to_f64_vec()));
            }
        }
    }
}
