//! A model that trains on while its least weights become zero.

use crate::recipe::{self, Recipe};
use crate::source::{Source, Task};
use hadal::Trained;
use hadal::format::model_file::ModelFile;
use hadal::prelude::*;
use hadal::train::compress::{Pruning, Sparsity, prunable};
use hadal::train::interrupt;

/// The share of the recipe's learning rate that a trained model trains on with.
const RATE: f64 = 0.1;

/// The file with this share of its weights pruned, of all layers together: by polynomial decay over the first half of the
/// steps, while the model trains on with the recipe's optimizer and a tenth of its learning rate.
pub fn train(file: &ModelFile, data: Source, share: f64, epochs: usize) -> Result<ModelFile> {
    let trained = Trained::new(file.clone())?;
    let recipe = Recipe::of(&trained)?;
    manual_seed(recipe.train.seed);
    let model = trained.model;
    let optimizer = recipe::optimizer(&recipe.optimizer, model.parameters())?;
    optimizer.set_lr(optimizer.lr() * RATE);
    let task = Task::of(&trained.labels);
    let smoothing = recipe.train.label_smoothing;
    let loss = move |prediction: &Tensor, target: &Tensor| match task {
        Task::Classify => CrossEntropy::new().label_smoothing(smoothing).forward(prediction, target),
        Task::Regress => mse_loss(prediction, target, Reduction::Mean),
    };
    let steps = data.train.len() * epochs;
    let schedule = Sparsity::polynomial_decay(share, 0, steps / 2, (steps / 20).max(1));
    let mut pruning = Pruning::global_unstructured(prunable(&model), schedule);
    let mut trainer = model.compile(optimizer, loss).compiled();
    interrupt::install()?;
    trainer.fit(&data.train, Fit::epochs(epochs).callback(&mut pruning))?;
    if interrupt::requested() {
        return Err(Error::invalid("interrupted while pruning; nothing was written"));
    }
    Ok(ModelFile { tensors: state_dict(trainer.model()), ..file.clone() })
}
