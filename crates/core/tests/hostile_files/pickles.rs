//! PyTorch files whose pickles lie: code, malformed instructions, bombs, tensors outside their storages.

use crate::{counted, refusal};
use hadal_core::format::pytorch;
use hadal_core::format::pytorch::Value;

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
    refused(stream(b"]]0000", &[])[..MAGIC.len() + 2].to_vec(), "ends in the middle of its pickle: it is truncated");
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
    refused(stream(&tensor, &[("k", -1, &[0; 16])]), "has -1 elements in storage `k`, not the 4 that its pickle says");
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
    let state = |pickle: &[u8]| pytorch::from_bytes(stream(pickle, &[])).unwrap().state_dict().unwrap_err().to_string();
    let none = "and none of `state_dict`, `model_state_dict`, `model` is a dictionary of tensors";
    assert_eq!(state(b"N"), format!("the PyTorch file holds no state dict: its contents are no dictionary, {none}"));
    assert_eq!(state(b"}"), format!("the PyTorch file holds no state dict: its dictionary is empty, {none}"));
    let pickle = [b"}".to_vec(), text("epoch"), b"K\x03s".to_vec()].concat();
    assert_eq!(state(&pickle), format!("the PyTorch file holds no state dict: its keys are `epoch`, {none}"));
}
