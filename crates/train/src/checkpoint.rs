//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A checkpoint holds the model's parameters and buffers, the optimizer's moments, the random generator's
//! state and the place in the run. Order and augmentation of samples are functions of (seed, epoch), so a run
//! that is killed at any instant and resumed from its last checkpoint ends with the same weights, bit for bit,
//! as one that was never interrupted.

use crate::callback::{Callback, State};
use crate::trainer::Position;
use hadal_core::format::safetensors;
use hadal_core::random::default_generator;
use hadal_core::{Error, Module, ModuleExt, Param, Result};
use hadal_nn::optim::Optimizer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Saves a checkpoint after every epoch, and every so many batches if asked. The file is replaced atomically.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    every: Option<usize>,
}

impl Checkpoint {
    /// At this path.
    pub fn new(path: impl AsRef<Path>) -> Checkpoint {
        Checkpoint { path: path.as_ref().to_owned(), every: None }
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
            save(&self.path, state.model, state.optimizer, position)?;
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, state: &mut State) -> Result<()> {
        save(&self.path, state.model, state.optimizer, Position { epoch: state.epoch + 1, batch: 0 })
    }
}

/// Everything that changes while training, by name.
fn places(model: &dyn Module, optimizer: &Optimizer) -> Vec<(String, Param)> {
    let model = model.named_state().into_iter().map(|(name, param)| (format!("model.{name}"), param));
    let optimizer = optimizer.named_state().into_iter().map(|(name, param)| (format!("optimizer.{name}"), param));
    let generator = ("generator".to_owned(), default_generator().state().clone());
    model.chain(optimizer).chain([generator]).collect()
}

/// Writes a checkpoint.
pub fn save(path: &Path, model: &dyn Module, optimizer: &Optimizer, position: Position) -> Result<()> {
    let tensors = places(model, optimizer).into_iter().map(|(name, param)| (name, param.get().detach())).collect();
    let metadata = BTreeMap::from([
        ("hadal.epoch".to_owned(), position.epoch.to_string()),
        ("hadal.batch".to_owned(), position.batch.to_string()),
    ]);
    safetensors::write(path, &tensors, &metadata)
}

/// Puts a checkpoint's values into a model and optimizer that were made as they were for the run, and returns
/// where to go on: `Fit::epochs(n).start_at(position)`. Nothing is changed if the file does not fit.
pub fn restore(path: &Path, model: &dyn Module, optimizer: &Optimizer) -> Result<Position> {
    let archive = safetensors::read(path)?;
    let number = |key: &str| {
        let text = archive.metadata.get(key).map(String::as_str).unwrap_or_default();
        text.parse().map_err(|_| Error::file(path, format!("is no checkpoint of a training run: it lacks `{key}`")))
    };
    let position = Position { epoch: number("hadal.epoch")?, batch: number("hadal.batch")? };
    let places = places(model, optimizer);
    let mut wrong = Vec::new();
    for (name, param) in &places {
        let (expected, found) = (param.get(), archive.tensors.get(name));
        match found {
            None => wrong.push(format!("lacks `{name}`")),
            Some(found) if found.shape() != expected.shape() || found.dtype() != expected.dtype() => {
                let (a, b) = (found.meta(), expected.meta());
                wrong.push(format!("`{name}` is {} {}, the run has {} {}", a.dtype, a.shape, b.dtype, b.shape));
            }
            Some(_) => (),
        }
    }
    if !wrong.is_empty() || archive.tensors.len() != places.len() {
        wrong.push(format!("{} values for {} places", archive.tensors.len(), places.len()));
        let message = format!("does not fit this model and optimizer: {}", wrong.join("; "));
        return Err(Error::file(path, message));
    }
    places.iter().try_for_each(|(name, param)| param.set(&archive.tensors[name]))?;
    Ok(position)
}
