//! Writing a file so that a crash at any instant leaves either the old file or the new one, whole.

use crate::{Error, Result};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Creates or replaces the file at `path` with what `contents` writes.
///
/// The bytes go to a temporary file in the same directory (`.NAME.PID-N.tmp`), which is synced to disk and
/// then renamed over `path`; the directory is synced last, so that the new name survives a power failure.
/// When anything fails the temporary file is removed and the old file stays. A symbolic link is followed.
pub fn write(path: impl AsRef<Path>, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let path = path.as_ref();
    let failed = |e: io::Error| Error::file(path, format!("cannot be written: {e}"));
    let target = target(path).map_err(failed)?;
    let temporary = beside(&target).map_err(failed)?;
    let result = fill(&temporary, contents).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = result {
        // The first error is the one to report; that of the clean-up adds nothing.
        let _ = fs::remove_file(&temporary);
        return Err(failed(error));
    }
    sync_directory(&target).map_err(failed)
}

/// The file that a link leads to, or `path` itself. Renaming over a device or a pipe would destroy it.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(real) if real.is_file() => Ok(real),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it exists and is not a regular file")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(e) => Err(e),
    }
}

/// A name in the same directory (renaming works within one file system only) that no other writer uses.
fn beside(target: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Relaxed)));
    Ok(target.with_file_name(temporary))
}

fn fill(temporary: &Path, contents: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer =
        BufWriter::with_capacity(1 << 20, OpenOptions::new().write(true).create_new(true).open(temporary)?);
    contents(&mut writer)?;
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()
}

/// Only Unix lets a directory be opened and synced; elsewhere renaming is as durable as it gets.
fn sync_directory(target: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let directory = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(name: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("hadal-atomic-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let directory = directory("failed");
        let path = directory.join("model.bin");
        write(&path, |w| w.write_all(b"old")).unwrap();
        let error = write(&path, |w| {
            w.write_all(b"new")?;
            Err(io::Error::other("the disk is full"))
        });
        assert_eq!(error.unwrap_err().to_string(), format!("{}: cannot be written: the disk is full", path.display()));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        write(&path, |w| w.write_all(b"newer")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"newer");
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn only_regular_files_are_replaced() {
        let directory = directory("regular");
        let error = write(&directory, |w| w.write_all(b"x")).unwrap_err().to_string();
        assert!(error.ends_with("cannot be written: it exists and is not a regular file"), "{error}");
        let error = write(directory.join("missing/file"), |w| w.write_all(b"x")).unwrap_err().to_string();
        assert!(error.contains("cannot be written: "), "{error}");
        fs::remove_dir_all(directory).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed() {
        let directory = directory("link");
        let (real, link) = (directory.join("real"), directory.join("link"));
        fs::write(&real, b"old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write(&link, |w| w.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_dir_all(directory).unwrap();
    }
}
