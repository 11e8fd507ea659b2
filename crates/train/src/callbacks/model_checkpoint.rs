//! Saving the model while it trains.

use super::monitor::{Better, Monitor};
use crate::callback::{Callback, State};
use hadal_core::format::safetensors;
use hadal_core::{Error, ModuleExt, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Saves the weights after every epoch, or after those in which the monitored number improved.
///
/// The path may name the epoch and logged numbers as in Keras: `{epoch:02}-{val_loss:.2}.safetensors`.
/// Files are written atomically: an interrupted save leaves the old file.
#[derive(Clone, Debug)]
pub struct ModelCheckpoint {
    path: PathBuf,
    monitor: Option<Monitor>,
    metadata: BTreeMap<String, String>,
}

impl ModelCheckpoint {
    /// After every epoch.
    pub fn new(path: impl AsRef<Path>) -> ModelCheckpoint {
        ModelCheckpoint { path: path.as_ref().to_owned(), monitor: None, metadata: BTreeMap::new() }
    }

    /// Only when this logged number improves.
    pub fn best(mut self, monitor: &str) -> Self {
        self.monitor = Some(Monitor::new(monitor));
        self
    }

    /// Says which direction is better, when the name does not tell.
    ///
    /// # Panics
    /// If nothing is monitored: call [`ModelCheckpoint::best`] first.
    #[track_caller]
    pub fn better(mut self, better: Better) -> Self {
        self.monitor.as_mut().expect("call .best(name) before .better(direction)").better = better;
        self
    }

    /// Strings to store in the file beside the weights (architecture, labels, preprocessing).
    pub fn metadata(mut self, metadata: BTreeMap<String, String>) -> Self {
        self.metadata = metadata;
        self
    }
}

impl Callback for ModelCheckpoint {
    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        if let Some(monitor) = &mut self.monitor {
            let value = monitor.value("model checkpoint", state.logs)?;
            if !monitor.improves(value) {
                return Ok(());
            }
        }
        let template = self.path.to_str().ok_or_else(|| Error::file(&self.path, "is not a valid UTF-8 path"))?;
        let path = fill(template, state)?;
        let tensors = state.model.named_state().into_iter().map(|(name, p)| (name, p.get().detach())).collect();
        safetensors::write(&path, &tensors, &self.metadata)
    }
}

/// `{epoch:02}` and `{val_loss:.2}` replaced by the epoch (from 1) and the logged number.
fn fill(template: &str, state: &State) -> Result<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let wrong = |message: String| Error::invalid(format!("checkpoint path {template}: {message}"));
        let (field, after) = after.split_once('}').ok_or_else(|| wrong("`{` without `}`".into()))?;
        let (name, form) = field.split_once(':').unwrap_or((field, ""));
        let form = form.trim_end_matches(['d', 'f']);
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong(format!("cannot read the form `{form}`")));
        filled.push_str(before);
        if name == "epoch" {
            let width = if form.is_empty() { 0 } else { number(form)? };
            filled.push_str(&format!("{:0width$}", state.epoch + 1));
        } else {
            let value = state.logs.get(name);
            let value =
                value.ok_or_else(|| wrong(format!("`{name}` is not logged; there are {}", state.logs.names())))?;
            let digits = if form.is_empty() { 4 } else { number(form.trim_start_matches('.'))? };
            filled.push_str(&format!("{value:.digits$}"));
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}
