//! Elements that a model keeps in files beside its own.

use crate::wire;
use bytes::Bytes;
use hadal_core::format::mapped;
use hadal_core::{Error, Result};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// The folder of the model's file, and the files in it that are mapped already.
pub(crate) struct External {
    folder: PathBuf,
    files: RefCell<HashMap<PathBuf, Bytes>>,
}

/// A mapped file as the owner of [`Bytes`].
struct Owner(mapped::Source);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// The bytes of a file, mapped.
pub(crate) fn map(path: &Path) -> Result<Bytes> {
    Ok(Bytes::from_owner(Owner(mapped::map(path)?)))
}

impl External {
    /// For the model in this file.
    pub fn beside(model: &Path) -> External {
        let folder = model.parent().unwrap_or(Path::new("")).to_owned();
        External { folder, files: RefCell::default() }
    }

    /// The bytes that `entries` describe: `location`, a path below the model's folder, and optionally `offset` and
    /// `length`.
    pub fn bytes(&self, entries: &[wire::Entry]) -> Result<Bytes> {
        let entry = |key: &str| entries.iter().find(|e| e.key == key).map(|e| e.value.as_str());
        let number = |key: &str| match entry(key) {
            Some(text) => match text.parse::<usize>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(Error::invalid(format!("has the {key} `{text}` in its file, which is no number"))),
            },
            None => Ok(None),
        };
        let location = Path::new(entry("location").ok_or_else(|| Error::invalid("does not say in which file it is"))?);
        // A model must not read what lies elsewhere on the machine.
        if location.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            let message = format!("is in `{}`, which is not below the model's folder", location.display());
            return Err(Error::invalid(message));
        }
        let file = self.file(&self.inside(location)?)?;
        let start = number("offset")?.unwrap_or(0);
        let length = match number("length")? {
            Some(length) => length,
            None => file.len().saturating_sub(start),
        };
        match start.checked_add(length) {
            Some(end) if end <= file.len() => Ok(file.slice(start..end)),
            _ => Err(Error::invalid(format!(
                "wants {length} bytes from {start} on of `{}`, which has {}",
                location.display(),
                file.len()
            ))),
        }
    }

    /// The file's real path, which symbolic links must not lead out of the folder.
    fn inside(&self, location: &Path) -> Result<PathBuf> {
        let folder = if self.folder.as_os_str().is_empty() { Path::new(".") } else { &self.folder };
        let path = folder.join(location);
        let real = |path: &Path| path.canonicalize().map_err(|e| Error::file(path, format!("cannot be read: {e}")));
        let (real_path, real_folder) = (real(&path)?, real(folder)?);
        match real_path.starts_with(&real_folder) {
            true => Ok(real_path),
            false => Err(Error::file(path, "leads out of the model's folder")),
        }
    }

    fn file(&self, path: &Path) -> Result<Bytes> {
        if let Some(bytes) = self.files.borrow().get(path) {
            return Ok(bytes.clone());
        }
        let bytes = map(path)?;
        self.files.borrow_mut().insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }
}
