//! Arbitrary bytes as a PyTorch file.

use hadal_core::format::pytorch::{self, Value};

/// Tensors of more elements are not copied: the axes of a view may claim any number.
const MOST: usize = 1 << 16;

/// Whether the file was understood: then the elements of every tensor are there.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(value) = pytorch::from_bytes(bytes.to_vec()) else { return false };
    touch(&value);
    true
}

fn touch(value: &Value) {
    match value {
        Value::Tensor(tensor) if tensor.elements() <= MOST => {
            assert_eq!(tensor.to_bytes().len(), tensor.elements() * tensor.dtype().size());
        }
        Value::List(items) | Value::Tuple(items) => items.iter().for_each(touch),
        Value::Dict(pairs) => pairs.iter().for_each(|(key, value)| {
            touch(key);
            touch(value);
        }),
        _ => (),
    }
}
