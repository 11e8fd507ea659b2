//! The two files that `torch.save` writes: a zip archive, and the stream before PyTorch 1.6.

use super::super::elements::ByteOrder;
use super::super::zip::Zip;
use super::super::{Problem, printable};
use super::Source;
use super::machine::{Item, Object, Pickle};
use super::reader::Reader;
use super::storage::Storages;
use super::tree::{Value, unfold};
use std::collections::HashMap;

/// The number that opens a stream.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;

/// The version of the stream.
const PROTOCOL: i64 = 1001;

/// A pickle larger than this, without the numbers of its tensors, is not one of weights.
const MAX_PICKLE: usize = 1 << 26;

/// Reads either container.
pub(super) fn load(source: Source) -> Result<Value, Problem> {
    let bytes: &[u8] = (*source).as_ref();
    if bytes.starts_with(b"PK") {
        archive(source)
    } else if bytes.first() == Some(&0x80) {
        stream(source)
    } else if bytes.get(257..262) == Some(b"ustar") {
        Err("is a tar archive, the form of PyTorch 0.1; load it with an old PyTorch and save it again".into())
    } else {
        Err("is not a PyTorch file: it is neither a zip archive nor a pickle".into())
    }
}

/// `ROOT/data.pkl` refers to storages, whose bytes are `ROOT/data/KEY`; `ROOT/byteorder` says their order.
fn archive(source: Source) -> Result<Value, Problem> {
    let zip = Zip::open(source)?;
    let pickle =
        zip.names().find(|name| name.strip_suffix("data.pkl").is_some_and(|root| root.matches('/').count() <= 1));
    let pickle = pickle.ok_or("is a zip archive without `data.pkl`: torch.save did not write it")?;
    let root = &pickle[..pickle.len() - "data.pkl".len()];
    if zip.size(&format!("{root}constants.pkl")).is_some() {
        return Err("is a TorchScript program; save `model.state_dict()` instead".into());
    }
    let order = match zip.size(&format!("{root}byteorder")) {
        None => ByteOrder::Little,
        Some(_) => match &zip.beginning(&format!("{root}byteorder"), 8)?[..] {
            b"little" => ByteOrder::Little,
            b"big" => ByteOrder::Big,
            other => {
                return Err(format!(
                    "has byte order `{}`, not `little` or `big`",
                    printable(&String::from_utf8_lossy(other))
                ));
            }
        },
    };
    if zip.size(pickle).is_some_and(|size| size > MAX_PICKLE) {
        return Err(format!("has a pickle of more than {MAX_PICKLE} bytes: it is not one of weights"));
    }
    let (bytes, start, length) = zip.read(pickle)?;
    let pickle = Pickle::run(&mut Reader::new(&(*bytes).as_ref()[start..][..length]))?;
    let find = |key: &str| zip.read(&format!("{root}data/{key}"));
    unfold(&pickle, &mut Storages::new(&find, order))
}

/// Five pickles (magic, protocol, system, contents, keys of the storages), then for each key the number of
/// its elements (`i64`) and the elements.
fn stream(source: Source) -> Result<Value, Problem> {
    let bytes: &[u8] = (*source).as_ref();
    let mut reader = Reader::new(bytes);
    let magic =
        Pickle::run(&mut reader).map_err(|_| "is not a PyTorch file: it is a pickle of something else".to_owned())?;
    if !matches!(&magic.result, Item::Big(number) if **number == MAGIC) {
        return Err("is not a PyTorch file: it is a pickle without PyTorch's magic number".into());
    }
    if !matches!(Pickle::run(&mut reader)?.result, Item::Int(PROTOCOL)) {
        return Err(format!("is a PyTorch stream of another version than {PROTOCOL}"));
    }
    let order = byte_order(&Pickle::run(&mut reader)?);
    let contents = Pickle::run(&mut reader)?;
    let keys = keys(&Pickle::run(&mut reader)?)?;

    let mut sizes = HashMap::new();
    for object in &contents.objects {
        if let Object::Tensor(view) = object {
            let (key, size, elements) = view.storage();
            if sizes.insert(key.to_string(), (size, elements)).is_some_and(|other| other != (size, elements)) {
                return Err(format!("describes its storage `{}` in two ways", printable(key)));
            }
        }
    }
    let mut places = HashMap::new();
    for key in keys {
        let &(size, elements) =
            sizes.get(&key).ok_or_else(|| format!("has a storage `{}` that no tensor uses", printable(&key)))?;
        let count = i64::from_le_bytes(reader.array()?);
        if count < 0 || count as usize != elements {
            return Err(format!(
                "has {count} elements in storage `{}`, not the {elements} that its pickle says",
                printable(&key)
            ));
        }
        let length = (count as u64).saturating_mul(size as u64);
        let start = reader.position();
        let length = reader.take(length)?.len();
        if places.insert(key.clone(), (start, length)).is_some() {
            return Err(format!("has two storages `{}`", printable(&key)));
        }
    }
    if reader.left() > 0 {
        return Err(format!("has {} bytes after its last storage", reader.left()));
    }
    let find = |key: &str| {
        let (start, length) = places.get(key).ok_or_else(|| format!("lacks the storage `{}`", printable(key)))?;
        Ok((source.clone(), *start, *length))
    };
    unfold(&contents, &mut Storages::new(&find, order))
}

/// `little_endian` of the writing system.
fn byte_order(system: &Pickle) -> ByteOrder {
    let Item::Object(at) = system.result else { return ByteOrder::Little };
    let Object::Dict(pairs) = &system.objects[at] else { return ByteOrder::Little };
    let big = pairs.iter().any(|(key, value)| {
        matches!(key, Item::Text(key) if &**key == "little_endian") && matches!(value, Item::Bool(false))
    });
    if big { ByteOrder::Big } else { ByteOrder::Little }
}

fn keys(pickle: &Pickle) -> Result<Vec<String>, Problem> {
    let wrong = || "has no list of storages".to_owned();
    let Item::Object(at) = pickle.result else { return Err(wrong()) };
    let Object::List(items) = &pickle.objects[at] else { return Err(wrong()) };
    items.iter().map(|item| if let Item::Text(key) = item { Ok(key.to_string()) } else { Err(wrong()) }).collect()
}
