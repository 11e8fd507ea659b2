//! A model file, built and loaded.

use crate::preprocessing::Preprocessing;
use crate::recipe::Recipe;
use crate::source::Task;
use hadal::format::model_file::ModelFile;
use hadal::models::{self, Spec};
use hadal::nn::{Layer, Strictness, load_state_dict};
use hadal::{Error, ModuleExt, Result};
use serde::Deserialize;
use std::path::Path;

/// A model ready to be used, with what was stored beside it.
pub struct Trained {
    pub model: Box<dyn Layer>,
    pub name: String,
    pub labels: Vec<String>,
    pub preprocessing: Preprocessing,
    /// The recipe that made it.
    pub recipe: Recipe,
}

#[derive(Deserialize)]
struct Architecture {
    name: String,
    input: Vec<usize>,
    outputs: usize,
}

impl Trained {
    /// What is predicted.
    pub fn task(&self) -> Task {
        if self.labels.is_empty() { Task::Regress } else { Task::Classify }
    }

    /// Reads a file that `hadal train` wrote; the model is in evaluation mode.
    pub fn read(path: &Path) -> Result<Trained> {
        let file = ModelFile::read(path)?;
        let wrong =
            |what: &str, e: serde_json::Error| Error::file(path, format!("has {what} that cannot be read: {e}"));
        let architecture: Architecture =
            serde_json::from_value(file.architecture).map_err(|e| wrong("an architecture", e))?;
        let preprocessing = serde_json::from_value(file.preprocessing).map_err(|e| wrong("a preprocessing", e))?;
        let recipe = file.manifest.get("recipe").cloned().unwrap_or_default();
        let recipe = serde_json::from_value(recipe).map_err(|e| wrong("a recipe", e))?;
        let spec = Spec { input: architecture.input, outputs: architecture.outputs };
        let model = models::build(&architecture.name, &spec).map_err(|e| Error::file(path, e))?;
        load_state_dict(&*model, &file.tensors, Strictness::Strict).map_err(|e| Error::file(path, e))?;
        model.eval();
        Ok(Trained { model, name: architecture.name, labels: file.labels, preprocessing, recipe })
    }
}
