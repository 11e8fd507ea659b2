//! What is known about an ONNX model beside its graph: labels and preprocessing.
//!
//! `hadal export` writes both into the file's metadata, as JSON. For a model from elsewhere, files beside it say the
//! same: in a folder of its own (`NAME/model.onnx` or `NAME/1/model.onnx`), `labels.txt` holds a label a line, and
//! `preprocessing.json` what the metadata would.

use hadal::data::preprocessing::Preprocessing;
use hadal::{Error, Result};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

const LABELS: &str = "labels.txt";
const PREPROCESSING: &str = "preprocessing.json";

/// Labels and preprocessing, as far as they are known.
#[derive(Debug, Default, PartialEq)]
pub struct About {
    /// What the classes are called.
    pub labels: Vec<String>,
    /// How an input becomes what the model takes.
    pub preprocessing: Option<Preprocessing>,
}

impl About {
    /// From a model's metadata; what stands in files beside it counts more.
    ///
    /// # Errors
    /// When one of them is there but cannot be read.
    pub fn read(model: &Path, metadata: &[(String, String)]) -> Result<About> {
        let mut about = About {
            labels: stored(model, metadata, "hadal.labels")?.unwrap_or_default(),
            preprocessing: stored(model, metadata, "hadal.preprocessing")?,
        };
        for path in beside(model).into_iter().filter(|path| path.exists()) {
            let text =
                std::fs::read_to_string(&path).map_err(|e| Error::file(&path, format!("cannot be read: {e}")))?;
            if path.ends_with(LABELS) {
                about.labels = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
            } else {
                let wrong = |e| Error::file(&path, format!("is no preprocessing: {e}"));
                about.preprocessing = Some(serde_json::from_str(&text).map_err(wrong)?);
            }
        }
        Ok(about)
    }
}

/// Where files about a model would lie: none where other models may lie too.
pub fn beside(model: &Path) -> Vec<PathBuf> {
    match model.file_name().is_some_and(|name| name == "model.onnx") {
        true => [LABELS, PREPROCESSING].map(|name| model.with_file_name(name)).into(),
        false => Vec::new(),
    }
}

/// What the metadata holds under a key.
fn stored<T: DeserializeOwned>(model: &Path, metadata: &[(String, String)], key: &str) -> Result<Option<T>> {
    let Some((_, text)) = metadata.iter().find(|(found, _)| found == key) else { return Ok(None) };
    let wrong = |e| Error::file(model, format!("has metadata `{key}` that cannot be read: {e}"));
    serde_json::from_str(text).map(Some).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_and_files() {
        let folder = std::env::temp_dir().join(format!("hadal-serve-about-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let model = folder.join("model.onnx");
        let metadata = |key: &str, text: &str| vec![(key.to_owned(), text.to_owned())];
        let labels = metadata("hadal.labels", r#"["a", "b"]"#);
        assert_eq!(About::read(&model, &labels).unwrap().labels, ["a", "b"]);
        assert_eq!(About::read(&model, &metadata("author", "me")).unwrap(), About::default());
        let error = About::read(&model, &metadata("hadal.preprocessing", "{}")).unwrap_err().to_string();
        assert!(
            error.contains("has metadata `hadal.preprocessing` that cannot be read: missing field `kind`"),
            "{error}"
        );
        std::fs::write(folder.join(LABELS), "tabby cat\r\n great white shark \n\n").unwrap();
        std::fs::write(folder.join(PREPROCESSING), r#"{"kind": "array", "shape": [4]}"#).unwrap();
        let expected = About {
            labels: vec!["tabby cat".into(), "great white shark".into()],
            preprocessing: Some(Preprocessing::Array { shape: vec![4] }),
        };
        assert_eq!(About::read(&model, &labels).unwrap(), expected);
        // They would be those of any model in this folder.
        assert_eq!(About::read(&folder.join("other.onnx"), &labels).unwrap().labels, ["a", "b"]);
        std::fs::write(folder.join(PREPROCESSING), "nothing").unwrap();
        let error = About::read(&model, &[]).unwrap_err().to_string();
        assert!(error.contains("preprocessing.json: is no preprocessing: expected"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
