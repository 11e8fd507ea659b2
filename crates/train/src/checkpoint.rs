//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A checkpoint holds the model's parameters and buffers, the optimizer's moments, the random generator's
//! state and the place in the run. Order and augmentation of samples are functions of (seed, epoch), so a run
//! that is killed at any instant and resumed from its last checkpoint ends with the same weights, bit for bit,
//! as one that was never interrupted.

use crate::callback::{Callback, State};
use crate::trainer::Position;
use hadal_core::format::{CHECKPOINT_EPOCH, safetensors};
use hadal_core::random::default_generator;
use hadal_core::{Error, Module, ModuleExt, Param, Result, Tensor};
use hadal_nn::optim::Optimizer;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// Saves a checkpoint after every epoch, and every so many batches if asked. The file is replaced atomically.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    every: Option<usize>,
    order: String,
}

impl Checkpoint {
    /// At this path.
    pub fn new(path: impl AsRef<Path>) -> Checkpoint {
        Checkpoint { path: path.as_ref().to_owned(), every: None, order: String::new() }
    }

    /// What decides which samples come when (seed, batch size …), in words. A run that says something else does not go
    /// on in the middle of an epoch of this one.
    pub fn order(mut self, order: impl Into<String>) -> Self {
        self.order = order.into();
        self
    }

    /// Puts the checkpoint's values into model and optimizer, as [`restore`] does.
    pub fn restore(&self, model: &dyn Module, optimizer: &Optimizer) -> Result<Position> {
        restore_into(&self.path, model, optimizer, Some(&self.order))
    }

    fn save(&self, state: &State, position: Position) -> Result<()> {
        save_with(&self.path, state.model, state.optimizer, position, &self.order)
    }

    /// Also after every this many batches of an epoch.
    pub fn every(mut self, batches: usize) -> Self {
        self.every = Some(batches.max(1));
        self
    }
}

impl Callback for Checkpoint {
    fn on_train_batch_end(&mut self, state: &mut State) -> Result<()> {
        let due = self.every.is_some_and(|every| state.batch.is_multiple_of(every)) || crate::interrupt::requested();
        if due && state.batch < state.batches {
            let position = Position { epoch: state.epoch, batch: state.batch };
            self.save(state, position)?;
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        self.save(state, Position { epoch: state.epoch + 1, batch: 0 })
    }
}

/// The metadata's key for what decides the order of the samples.
const ORDER: &str = "hadal.order";

/// Everything that changes while training, by name.
fn places(model: &dyn Module, optimizer: &Optimizer) -> Vec<(String, Param)> {
    let model = model.named_state().into_iter().map(|(name, param)| (format!("model.{name}"), param));
    let optimizer = optimizer.named_state().into_iter().map(|(name, param)| (format!("optimizer.{name}"), param));
    let generator = ("generator".to_owned(), default_generator().state().clone());
    model.chain(optimizer).chain([generator]).collect()
}

/// Writes a checkpoint.
pub fn save(path: &Path, model: &dyn Module, optimizer: &Optimizer, position: Position) -> Result<()> {
    save_with(path, model, optimizer, position, "")
}

fn save_with(path: &Path, model: &dyn Module, optimizer: &Optimizer, position: Position, order: &str) -> Result<()> {
    let tensors = places(model, optimizer).into_iter().map(|(name, param)| (name, param.get().detach())).collect();
    let metadata = BTreeMap::from([
        (CHECKPOINT_EPOCH.to_owned(), position.epoch.to_string()),
        ("hadal.batch".to_owned(), position.batch.to_string()),
        (ORDER.to_owned(), order.to_owned()),
    ]);
    safetensors::write(path, &tensors, &metadata)
}

/// Puts a checkpoint's values into a model and optimizer that were made as they were for the run, and returns
/// where to go on: `Fit::epochs(n).start_at(position)`. Nothing is changed if the file does not fit.
pub fn restore(path: &Path, model: &dyn Module, optimizer: &Optimizer) -> Result<Position> {
    restore_into(path, model, optimizer, None)
}

/// As [`restore`], for a run whose samples come in this order, if it says so.
fn restore_into(path: &Path, model: &dyn Module, optimizer: &Optimizer, order: Option<&str>) -> Result<Position> {
    let archive = safetensors::read(path)?;
    let number = |key: &str| {
        let text = archive.metadata.get(key).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|_| Error::file(path, format!("is no checkpoint of a training run: it lacks `{key}`")))
    };
    let position = Position { epoch: number(CHECKPOINT_EPOCH)?, batch: number("hadal.batch")? };
    let saved = archive.metadata.get(ORDER).map_or("", String::as_str);
    if let Some(order) = order.filter(|order| *order != saved && position.batch > 0) {
        let message = format!(
            "was saved after batch {} of an epoch with {saved}, but this run has {order}: its batches are others. Go on \
             with the same settings",
            position.batch
        );
        return Err(Error::file(path, message));
    }
    let places = places(model, optimizer);
    let differences = differences(&archive.tensors, &places);
    // Another model has other moments too: the model is the cause to name.
    for part in ["model.", "optimizer.", ""] {
        let mut found = differences.iter().filter_map(|(name, text)| Some((name.strip_prefix(part)?, text)));
        if let Some((name, text)) = found.next() {
            let more = match found.count() {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            let part = if part.is_empty() { "run" } else { &part[..part.len() - 1] };
            return Err(Error::file(path, format!("was saved with another {part}: `{name}` {text}{more}")));
        }
    }
    places.iter().try_for_each(|(name, param)| param.set(&archive.tensors[name]))?;
    Ok(position)
}
/// The names at which the saved tensors and the places of a run differ, and how.
fn differences(saved: &BTreeMap<String, Tensor>, places: &[(String, Param)]) -> Vec<(String, String)> {
    let mut differences = Vec::new();
    for (name, param) in places {
        let expected = param.get();
        match saved.get(name) {
            None => differences.push((name.clone(), "is not in the file".into())),
            Some(found) if found.shape() != expected.shape() || found.dtype() != expected.dtype() => {
                let (a, b) = (found.meta(), expected.meta());
                let text = format!("is {} {} in the file and {} {} here", a.dtype, a.shape, b.dtype, b.shape);
                differences.push((name.clone(), text));
            }
            Some(_) => (),
        }
    }
    let known: HashSet<&str> = places.iter().map(|(name, _)| name.as_str()).collect();
    let extra = saved.keys().filter(|name| !known.contains(name.as_str()));
    differences.extend(extra.map(|name| (name.clone(), "is in the file and not here".into())));
    differences
}
