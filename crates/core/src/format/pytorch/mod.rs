//! PyTorch's `.pt` and `.pth` files, read without Python and without running anything.
//!
//! `torch.save` writes a pickle: a program for a small stack machine that may call any Python function.
//! The interpreter here (`machine`) knows the instructions that lists, dictionaries, numbers and tensors
//! need, and the few functions that rebuild tensors (`globals`). Any other name or instruction ends the
//! reading with an error that says it. Both containers are read: the zip archive of PyTorch 1.6 and later,
//! and the plain stream before it (`container`).
//!
//! Bounds on hostile files: a pickle runs at most `MAX_STEPS` instructions, what it builds may
//! unfold to as many values and nest `MAX_DEPTH` deep, and every tensor must lie within a storage
//! whose bytes are in the file. Tensors that share a storage in the file share it in memory too.

mod container;
mod globals;
mod machine;
mod reader;
mod state_dict;
mod storage;
mod tree;

pub use state_dict::StateDict;
pub use tree::Value;

use super::in_file;
use super::mapped::{Source, map};
use crate::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Reads the weights in a file: the tensors of the state dict that it is or contains.
///
/// ```no_run
/// # fn main() -> hadal_core::Result<()> {
/// let weights = hadal_core::format::pytorch::read_state_dict("resnet18.pth")?;
/// println!("{} tensors", weights.tensors.len());
/// # Ok(())
/// # }
/// ```
pub fn read_state_dict(path: impl AsRef<Path>) -> Result<StateDict> {
    let path = path.as_ref();
    in_file(path, container::load(map(path)?).and_then(|value| state_dict::find(&value)))
}

/// Reads everything that `torch.save` put into a file.
pub fn read(path: impl AsRef<Path>) -> Result<Value> {
    let path = path.as_ref();
    in_file(path, container::load(map(path)?))
}

/// Reads the contents of a file that are already in memory.
pub fn from_bytes(bytes: Vec<u8>) -> Result<Value> {
    let source: Source = Arc::new(bytes);
    container::load(source).map_err(|problem| Error::invalid(format!("PyTorch data {problem}")))
}
