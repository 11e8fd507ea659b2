//! Where models lie: what a name on the command line means in files.

use crate::about;
use hadal::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How the names of model files end; in a folder of its own, a model is called `model` with one of these.
pub const ENDINGS: [&str; 2] = ["safetensors", "onnx"];

/// Something given to the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// One model.
    Model {
        /// What clients call it.
        name: String,
        /// Its file, a folder with `model.safetensors`, or a folder of versions `1/model.safetensors`, `2/…`.
        path: PathBuf,
    },
    /// A folder of models, one sub-folder or file each.
    Repository(PathBuf),
}

impl Source {
    /// Reads `PATH` or `NAME=PATH`. Without a name, a model is called as its folder, or as its file without the ending.
    ///
    /// # Errors
    /// When there is nothing at the path, or the name has other than letters, digits, `.`, `_` and `-`.
    pub fn parse(argument: &str) -> Result<Source> {
        let (given, path) = match argument.split_once('=') {
            Some((name, path)) if !Path::new(argument).exists() => (Some(name), Path::new(path)),
            _ => (None, Path::new(argument)),
        };
        if !path.exists() {
            return Err(Error::file(path, "there is no such file or folder"));
        }
        if path.is_dir() && versions(path)?.is_empty() {
            if given.is_some() {
                let ending = ENDINGS.join(" or .");
                let message =
                    format!("holds no model.{ending} and no folders 1, 2, … with one: it cannot be one model");
                return Err(Error::file(path, message));
            }
            return Ok(Source::Repository(path.to_owned()));
        }
        let whole = path.canonicalize().map_err(|e| Error::file(path, e))?;
        let own = if path.is_dir() { whole.file_name() } else { whole.file_stem() };
        let name = given.map_or_else(|| own.unwrap_or_default().to_string_lossy().into_owned(), str::to_owned);
        if !is_name(&name) {
            let message = format!("{name:?} cannot be a model's name: use letters, digits, '.', '_', '-' (NAME=PATH)");
            return Err(Error::file(path, message));
        }
        Ok(Source::Model { name, path: path.to_owned() })
    }

    /// The models in it, by name.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn models(&self) -> Result<Vec<(String, PathBuf)>> {
        let folder = match self {
            Source::Model { name, path } => return Ok(vec![(name.clone(), path.clone())]),
            Source::Repository(folder) => folder,
        };
        let mut models = Vec::new();
        for path in entries(folder)? {
            let is_model = match path.is_dir() {
                true => !versions(&path)?.is_empty(),
                false => is_model_file(&path),
            };
            let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
            let name = name.unwrap_or_default().to_string_lossy().into_owned();
            if is_model && is_name(&name) {
                models.push((name, path));
            }
        }
        Ok(models)
    }
}

/// What a client may call a model; nothing that leads out of a folder.
pub fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(fits)
}

fn is_model_file(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending)) && path.is_file()
}

/// The model file of a folder.
fn model_in(folder: &Path) -> Option<PathBuf> {
    ENDINGS.iter().map(|ending| folder.join(format!("model.{ending}"))).find(|path| path.is_file())
}

/// The versions of a model and their files: a file is version 1.
///
/// # Errors
/// When a folder cannot be read.
pub fn versions(path: &Path) -> Result<Vec<(u64, PathBuf)>> {
    if !path.is_dir() {
        return Ok(vec![(1, path.to_owned())]);
    }
    if let Some(file) = model_in(path) {
        return Ok(vec![(1, file)]);
    }
    let mut found = Vec::new();
    for folder in entries(path)? {
        let number = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        if let (Some(number), Some(file)) = (number, model_in(&folder)) {
            found.push((number, file));
        }
    }
    found.sort();
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |e: std::io::Error| Error::file(folder, format!("cannot be read: {e}"));
    let mut paths = std::fs::read_dir(folder)
        .map_err(wrong)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(wrong)?;
    paths.sort();
    Ok(paths)
}

/// What tells whether a model's file, and those about it, are still the same ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamp(Vec<Option<(u64, SystemTime)>>);

impl Stamp {
    /// That of the files as they are now.
    pub fn of(path: &Path) -> Stamp {
        let stamp = |path: PathBuf| path.metadata().ok().and_then(|about| Some((about.len(), about.modified().ok()?)));
        Stamp([path.to_owned()].into_iter().chain(about::beside(path)).map(stamp).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_paths_mean() {
        let root = std::env::temp_dir().join(format!("hadal-serve-source-{}", std::process::id()));
        let file = |name: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
        };
        [
            "digits/model.safetensors",
            "many/2/model.safetensors",
            "many/10/model.safetensors",
            "many/x/model.safetensors",
        ]
        .into_iter()
        .chain(["one.safetensors", "empty/notes.txt", ".hidden/model.safetensors", "a b.safetensors"])
        .for_each(file);
        let at = |path: &str| root.join(path).to_str().unwrap().to_owned();
        let model = |name: &str, path: &str| Source::Model { name: name.into(), path: root.join(path) };
        assert_eq!(Source::parse(&at("one.safetensors")).unwrap(), model("one", "one.safetensors"));
        assert_eq!(Source::parse(&at("digits")).unwrap(), model("digits", "digits"));
        assert_eq!(Source::parse(&format!("m={}", at("digits"))).unwrap(), model("m", "digits"));
        let repository = Source::parse(&at("")).unwrap();
        let models: Vec<String> = repository.models().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(models, ["digits", "many", "one"]);
        let numbers = |path: &str| versions(&root.join(path)).unwrap().into_iter().map(|v| v.0).collect::<Vec<_>>();
        assert_eq!((numbers("many"), numbers("digits"), numbers("one.safetensors")), (vec![2, 10], vec![1], vec![1]));
        for (argument, words) in [
            (at("nothing"), "no such file"),
            (at("a b.safetensors"), "cannot be a model's name"),
            (format!("m={}", at("empty")), "cannot be one model"),
        ] {
            let error = Source::parse(&argument).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn names_lead_nowhere_else() {
        assert!(is_name("resnet18-v1.5_a"));
        for name in ["", "..", ".hidden", "a/b", "a\\b", "a%2fb", "a b", "ä"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
