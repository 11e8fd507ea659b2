//! Downloads that end whole or not at all: mirrors, resumption, a checksum, and a rename at the end.

#[cfg_attr(target_family = "wasm", path = "download/offline.rs")]
mod http;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// How often a mirror whose transfers break off is asked to go on.
const ATTEMPTS: u32 = 5;

/// What a mirror answers.
struct Answer {
    /// The status of HTTP.
    status: u16,
    /// Where the bytes of a partial answer begin.
    start: Option<u64>,
    /// How many bytes the mirror announces.
    length: Option<u64>,
    body: Box<dyn Read>,
}

/// A file that others serve, and how to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The name it gets on disk.
    pub name: String,
    /// Where it is, the best place first.
    pub mirrors: Vec<String>,
    /// Its size in bytes: no mirror can make a download larger.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file's name.
    pub name: &'a str,
    /// Bytes on disk.
    pub received: u64,
    /// Bytes there will be.
    pub total: u64,
}

/// Brings `remote` into `folder` and returns its path; a file that is there and has the right checksum is used as it is,
/// without a network.
///
/// What has arrived stays in `NAME.part` until it is whole, so an interrupted download goes on where it stopped, today or
/// tomorrow, from this mirror or another. Then the checksum is compared, the file is flushed to disk and renamed: nobody
/// ever sees half a file. Processes that want the same file wait for the one that began.
///
/// # Errors
/// When no mirror delivers; the message says what each of them did.
pub fn fetch(remote: &Remote, folder: &Path, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf> {
    let path = folder.join(&remote.name);
    if is_whole(&path, remote) {
        return Ok(path);
    }
    let part_path = folder.join(format!("{}.part", remote.name));
    let refuse = |error| Error::file(&part_path, error);
    fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    let mut part =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&part_path).map_err(refuse)?;
    match part.lock() {
        // Some network file systems cannot lock: two processes may then both download, and the checksum decides.
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        result => result.map_err(refuse)?,
    }
    if is_whole(&path, remote) {
        return Ok(path);
    }
    let mut failures = String::new();
    for url in &remote.mirrors {
        match from_mirror(url, remote, &mut part, progress) {
            Ok(()) => {
                part.sync_all().map_err(refuse)?;
                fs::rename(&part_path, &path).map_err(refuse)?;
                flush_name(folder);
                return Ok(path);
            }
            Err(reason) => failures += &format!("\n  {url}: {reason}"),
        }
    }
    let message = format!(
        "not there, and no mirror delivered it:{failures}\nTo go without a network, put the file there ({} bytes, SHA-256 {})",
        remote.bytes, remote.sha256
    );
    Err(Error::file(&path, message))
}

/// Makes the rename last: on Unix a folder is a file that can be flushed, elsewhere the rename is durable by itself.
fn flush_name(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

fn is_whole(path: &Path, remote: &Remote) -> bool {
    let right_size = fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() == remote.bytes);
    right_size && File::open(path).and_then(|mut file| digest(&mut file)).is_ok_and(|found| found == remote.sha256)
}

/// The SHA-256 of a whole file.
fn digest(file: &mut File) -> std::io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => hash.update(&buffer[..count]),
        }
    }
}

/// What one mirror did wrong.
type Reason = String;

/// Completes `part` from one mirror; when its checksum is wrong, `part` is empty afterwards.
fn from_mirror(url: &str, remote: &Remote, part: &mut File, progress: &mut dyn FnMut(Progress)) -> Result<(), Reason> {
    let text = |error: std::io::Error| error.to_string();
    let mut began_elsewhere = part.metadata().map_err(text)?.len() > 0;
    loop {
        receive_all(url, remote, part, progress)?;
        let found = digest(part).map_err(text)?;
        if found == remote.sha256 {
            return Ok(());
        }
        part.set_len(0).map_err(text)?;
        if !began_elsewhere {
            return Err(format!("has another file: its SHA-256 is {found}"));
        }
        // The bad bytes may be the old ones: this mirror gets a chance to deliver them all.
        began_elsewhere = false;
    }
}

fn receive_all(url: &str, remote: &Remote, part: &mut File, progress: &mut dyn FnMut(Progress)) -> Result<(), Reason> {
    let mut reason = String::new();
    for attempt in 0..ATTEMPTS {
        let have = part.metadata().map_err(|error| error.to_string())?.len();
        if have == remote.bytes {
            return Ok(());
        }
        if attempt > 0 {
            sleep(Duration::from_millis(50 << attempt));
        }
        match receive(url, remote, part, have, progress) {
            Ok(()) => {}
            Err(Failure::Broken(why)) => reason = why,
            Err(Failure::Refused(why)) => return Err(why),
        }
    }
    let have = part.metadata().map_err(|error| error.to_string())?.len();
    if have == remote.bytes { Ok(()) } else { Err(format!("{reason} ({have} of {} bytes arrived)", remote.bytes)) }
}

enum Failure {
    /// The transfer broke off: asking again may help.
    Broken(Reason),
    /// The mirror does not have the file, or has another one.
    Refused(Reason),
}

/// One request: appends to `part` what the mirror sends beyond the `have` bytes that are there.
fn receive(
    url: &str,
    remote: &Remote,
    part: &mut File,
    have: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Failure> {
    let disk = |error: std::io::Error| Failure::Refused(error.to_string());
    let Answer { status, start, length, mut body } = http::get(url, have).map_err(Failure::Refused)?;
    let start = match status {
        200 => 0,
        206 if start == Some(have) => have,
        206 | 416 => {
            part.set_len(0).map_err(disk)?;
            return Err(Failure::Broken("cannot resume".into()));
        }
        status => return Err(Failure::Refused(format!("HTTP status {status}"))),
    };
    if let Some(offered) = length.filter(|&length| start + length != remote.bytes) {
        let size = start + offered;
        return Err(Failure::Refused(format!("has another file: it is {size} bytes long, not {}", remote.bytes)));
    }
    part.set_len(start).map_err(disk)?;
    part.seek(SeekFrom::End(0)).map_err(disk)?;
    let mut buffer = vec![0; 1 << 16];
    let mut received = start;
    loop {
        progress(Progress { name: &remote.name, received, total: remote.bytes });
        let count = match body.read(&mut buffer) {
            Ok(0) if received < remote.bytes => return Err(Failure::Broken("the transfer broke off".into())),
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) => return Err(Failure::Broken(error.to_string())),
        };
        received += count as u64;
        if received > remote.bytes {
            part.set_len(0).map_err(disk)?;
            return Err(Failure::Refused(format!("has another file: it is longer than {} bytes", remote.bytes)));
        }
        part.write_all(&buffer[..count]).map_err(disk)?;
    }
}

#[cfg(test)]
mod tests;
