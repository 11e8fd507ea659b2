//! What the tests of the readers share: a folder that goes away, and the check of an error's words.

use std::fmt::Debug;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Result;

/// A folder of its own for each test, deleted when dropped.
pub struct Folder(PathBuf);

pub fn folder() -> Folder {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("hadal-data-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&path).expect("the system has a temporary folder");
    Folder(path)
}

impl Folder {
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, with the folders above it, and returns its path.
    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("writable");
        std::fs::write(&path, bytes).expect("writable");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Asserts that `result` is an error whose message holds all of `parts`.
#[track_caller]
pub fn fails<T: Debug>(result: Result<T>, parts: &[&str]) {
    let message = result.expect_err("an error is expected").to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

/// `bytes` in the gzip format.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory is writable")
}

/// The data folder of a developer who has the real `part`: the one that `HADAL_DATA` names. `None`, with a note, elsewhere.
pub fn real_data(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("HADAL_DATA").map(PathBuf::from);
    let found = root.filter(|root| root.join(part).is_dir());
    if found.is_none() {
        println!("skipped: HADAL_DATA names no folder with {part}");
    }
    found
}
