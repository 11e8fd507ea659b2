//! Files: safetensors, npy and npz, PyTorch's `.pt`/`.pth`, and the model file.
//!
//! Every reader treats its file as hostile. Sizes that a header claims are compared with the bytes that
//! exist before anything is allocated, offsets are computed with overflow checks, nothing in a file is
//! ever executed, and what is wrong comes back as one [`Error`] that names the file. Large arrays are not
//! copied: a tensor's buffer is the mapped file itself wherever the bytes lie as the tensor needs them.
//!
//! Every writer goes through [`atomic::write`], so a file is either the old one or the new one, whole.

pub mod atomic;
mod elements;
pub mod mapped;
pub mod model_file;
pub mod npy;
pub mod npz;
pub mod pytorch;
pub mod safetensors;
mod zip;

use crate::{Error, Result, Shape};
use elements::Stored;
use std::path::Path;

#[cfg(target_endian = "big")]
compile_error!(
    "Hadal's files hold little-endian numbers and are mapped as they are: big-endian machines are not supported"
);

/// What is wrong with the contents of a file; the reader that knows the file's name adds it.
type Problem = String;

/// The key under which a training checkpoint's metadata counts the epochs done, by which it is told from a model.
pub const CHECKPOINT_EPOCH: &str = "hadal.epoch";

/// Axes beyond this number are refused, as in NumPy: no array has them, and hostile files may.
const MAX_RANK: usize = 64;

/// The bytes of `shape` elements in the file. In memory, where they may be wider, there must be room for them too.
/// Sizes of 0 are counted as 1 for this check, so that strides and partial products of an accepted shape cannot
/// overflow either.
fn checked_bytes(shape: &[usize], stored: Stored) -> Result<usize, Problem> {
    if shape.len() > MAX_RANK {
        return Err(format!("has {} axes; at most {MAX_RANK} are supported", shape.len()));
    }
    let size = stored.dtype().size();
    let room = shape.iter().try_fold(size, |bytes, &n| bytes.checked_mul(n.max(1)));
    match room {
        Some(room) if room <= isize::MAX as usize => {
            Ok(if shape.contains(&0) { 0 } else { room / size * stored.size() })
        }
        _ => Err(format!("has shape {}, which is more than memory can address", Shape::from(shape))),
    }
}

/// A name from a file, made safe to print: control characters escaped, and cut after 80 characters.
fn printable(name: &str) -> String {
    let mut shown = String::new();
    for c in name.chars().take(80) {
        if c.is_control() { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    if name.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}

/// Adds the file's name to a problem.
fn in_file<T>(path: &Path, result: Result<T, Problem>) -> Result<T> {
    result.map_err(|problem| Error::file(path, problem))
}
