//! A file's bytes, mapped into memory instead of read.

use crate::{Error, Result};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Bytes that tensors can share: a mapped file, or a vector.
pub type Source = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Maps the whole file; an error if it is not a regular file that can be read.
pub fn map(path: &Path) -> Result<Source> {
    let unreadable = |e| Error::file(path, format!("cannot be read: {e}"));
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if !about.is_file() {
        return Err(Error::file(path, "cannot be read: it is not a regular file"));
    }
    if about.len() == 0 {
        return Ok(Arc::new(Vec::new()));
    }
    // SAFETY: the map is read-only and lives as long as the last tensor over it. Other programs must not
    // change the file meanwhile, which no type can express; Hadal's own writers never do: they replace
    // files by renaming, and the old bytes stay for those who mapped them. The one element type for which
    // a changed byte would be undefined behaviour, `bool`, is always copied out (see `elements`).
    let mapped = unsafe { memmap2::Mmap::map(&file) }.map_err(unreadable)?;
    Ok(Arc::new(mapped))
}
