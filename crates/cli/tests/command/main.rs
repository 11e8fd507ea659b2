//! The `hadal` command as its users meet it: the built program, its exit status, and every word on standard error.

mod compress;
mod export;
mod interrupt;
mod mistakes;
mod output;
mod own_data;
mod profile;
mod serve;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program, with no data of this machine and no settings from outside.
fn hadal(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hadal"));
    command
        .args(arguments)
        .env("HADAL_DATA", "no-such-folder")
        .env_remove("HADAL_THREADS")
        .env_remove("HADAL_TOKEN")
        .env_remove("NO_COLOR");
    command
}

/// A folder for the files of one test, deleted at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("hadal-command-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Runs the program with `DIR` in the arguments replaced by this folder.
    fn run(&self, arguments: &[&str]) -> Output {
        let place = self.0.to_str().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("DIR", place)).collect();
        hadal(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).output().unwrap()
    }

    /// A text with this folder's path replaced by `DIR`.
    fn unplaced(&self, text: &[u8]) -> String {
        String::from_utf8_lossy(text).replace(self.0.to_str().unwrap(), "DIR")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Bytes of an npy file that somebody saved with NumPy: `values` as `<f4` of this shape.
fn npy(shape: &[usize], values: &[f32]) -> Vec<u8> {
    hadal::format::npy::to_bytes(&hadal::Tensor::from_vec(values.to_vec(), shape)).unwrap()
}

/// The words of an exit: status and standard error, in which `MODELS` stands for the names of all models.
fn words(output: &Output, folder: &Folder) -> (Option<i32>, String) {
    let models = hadal::models::ALL.map(|entry| entry.name).join(", ");
    let said = folder.unplaced(&output.stderr).replace(&models, "MODELS");
    (output.status.code(), said.trim_end().to_owned())
}

fn exists(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.len() > 0)
}
