//! A recipe: everything a training run needs to know, as TOML. The built-in ones are files of this crate.

use hadal::nn::optim::{self, Rule};
use hadal::nn::schedules::{self, Schedule};
use hadal::train::{Callback, State};
use hadal::{Error, Param, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name and text of every built-in recipe.
pub const BUILT_IN: [(&str, &str); 6] = [
    ("digits", include_str!("../recipes/digits.toml")),
    ("mnist", include_str!("../recipes/mnist.toml")),
    ("fashion-mnist", include_str!("../recipes/fashion-mnist.toml")),
    ("cifar10", include_str!("../recipes/cifar10.toml")),
    ("image-folder", include_str!("../recipes/image-folder.toml")),
    ("csv", include_str!("../recipes/csv.toml")),
];

/// A whole recipe. Unknown keys are errors.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What to learn from.
    pub data: Data,
    /// What learns.
    pub model: Model,
    /// How long and in which steps.
    #[serde(default)]
    pub train: Train,
    /// How the weights are updated.
    #[serde(default)]
    pub optimizer: Optimizer,
}

/// The `[data]` table.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// `digits`, `mnist`, `fashion-mnist`, `cifar10`, `cifar100`, `image-folder` or `csv`.
    pub set: String,
    /// Folder or file; without it, named sets are looked for in the cache and downloaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Share of the training samples set aside for validation after every epoch.
    #[serde(default)]
    pub validation: f64,
    /// Share of the samples set aside as the test set, for sources that have none.
    #[serde(default)]
    pub test: f64,
    /// Changes to training images: `flip`, `crop`, `rotate`, `erase`, `randaugment`, `trivialaugment`.
    #[serde(default)]
    pub augment: Vec<String>,
    /// Height and width that images of a folder are resized to.
    #[serde(default = "image_size")]
    pub size: [usize; 2],
    /// The target column of a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

fn image_size() -> [usize; 2] {
    [64, 64]
}

/// The `[model]` table.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// A name from `hadal models`.
    pub name: String,
}

/// The `[train]` table.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Passes over the training samples.
    pub epochs: usize,
    /// Samples per step.
    pub batch_size: usize,
    /// Decides initial weights, order, augmentation and dropout.
    pub seed: u64,
    /// Stops after this many epochs without a better validation loss (test loss without validation data).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Largest norm of all gradients together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Batches per step.
    pub accumulate: usize,
    /// Label smoothing of the cross-entropy.
    pub label_smoothing: f64,
}

impl Default for Train {
    fn default() -> Train {
        Train {
            epochs: 10,
            batch_size: 32,
            seed: 0,
            patience: None,
            clip_norm: None,
            accumulate: 1,
            label_smoothing: 0.0,
        }
    }
}

/// The `[optimizer]` table.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Optimizer {
    /// `sgd`, `adam`, `adamw`, `rmsprop`, `adagrad`, `adadelta`, `adamax`, `nadam`, `radam` or `lion`.
    pub name: String,
    /// The learning rate; without it, the optimizer's own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Momentum (sgd, rmsprop).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// Weight decay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// `constant`, `cosine` or `one-cycle` over the whole run.
    pub schedule: String,
}

impl Default for Optimizer {
    fn default() -> Optimizer {
        Optimizer { name: "adam".into(), lr: None, momentum: None, weight_decay: None, schedule: "constant".into() }
    }
}

impl Recipe {
    /// A built-in recipe by its name, or a TOML file by its path.
    pub fn load(name: &str) -> Result<Recipe> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Recipe::parse(text, Path::new(name));
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|e| e != "toml") {
            let known = BUILT_IN.map(|(name, _)| name).join(", ");
            return Err(Error::invalid(format!(
                "no recipe is called `{name}`; there are {known}, or give a .toml file"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        Recipe::parse(&text, path)
    }

    /// From TOML text; `path` is named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Recipe> {
        let recipe: Recipe = toml::from_str(text).map_err(|e| Error::file(path, e.to_string().trim_end()))?;
        recipe.check().map_err(|message| Error::file(path, message))?;
        Ok(recipe)
    }

    /// The first setting that makes no sense, in words.
    pub fn check(&self) -> Result<(), String> {
        let Recipe { data, train, optimizer, .. } = self;
        let share = |name: &str, value: f64| match (0.0..1.0).contains(&value) {
            true => Ok(()),
            false => Err(format!("data.{name} is a share from 0 to below 1, got {value}")),
        };
        share("validation", data.validation)?;
        share("test", data.test)?;
        share("validation + test", data.validation + data.test)?;
        for (name, value) in
            [("epochs", train.epochs), ("batch_size", train.batch_size), ("accumulate", train.accumulate)]
        {
            if value == 0 {
                return Err(format!("train.{name} must be at least 1"));
            }
        }
        if let Some(lr) = optimizer.lr.filter(|lr| !(lr.is_finite() && *lr > 0.0)) {
            return Err(format!("optimizer.lr must be a positive number, got {lr}"));
        }
        if data.size.contains(&0) || data.size.iter().any(|s| *s > 4096) {
            return Err(format!("data.size must be 1 to 4096 pixels each way, got {:?}", data.size));
        }
        Ok(())
    }
}

/// The optimizer that a recipe names, over these parameters.
pub fn optimizer(options: &Optimizer, params: Vec<Param>) -> Result<optim::Optimizer> {
    let lr = |default: f64| options.lr.unwrap_or(default);
    let decay = options.weight_decay.unwrap_or(0.0);
    let unused = |name: &str, value: Option<f64>| match value {
        None => Ok(()),
        Some(_) => Err(Error::invalid(format!("optimizer.{name} has no meaning for {}", options.name))),
    };
    if !matches!(options.name.as_str(), "sgd" | "rmsprop") {
        unused("momentum", options.momentum)?;
    }
    let momentum = options.momentum.unwrap_or(0.0);
    Ok(match options.name.as_str() {
        "sgd" => optim::Sgd::new(lr(0.01)).momentum(momentum).weight_decay(decay).optimize(params),
        "adam" => optim::Adam::new(lr(1e-3)).weight_decay(decay).optimize(params),
        "adamw" => optim::AdamW::new(lr(1e-3)).weight_decay(options.weight_decay.unwrap_or(0.01)).optimize(params),
        "rmsprop" => optim::RmsProp::new(lr(1e-2)).momentum(momentum).weight_decay(decay).optimize(params),
        "adagrad" => optim::Adagrad::new(lr(1e-2)).weight_decay(decay).optimize(params),
        "adadelta" => optim::Adadelta::new(lr(1.0)).weight_decay(decay).optimize(params),
        "adamax" => optim::Adamax::new(lr(2e-3)).weight_decay(decay).optimize(params),
        "nadam" => optim::NAdam::new(lr(2e-3)).weight_decay(decay).optimize(params),
        "radam" => optim::RAdam::new(lr(1e-3)).weight_decay(decay).optimize(params),
        "lion" => optim::Lion::new(lr(1e-4)).weight_decay(decay).optimize(params),
        other => {
            let known = "sgd, adam, adamw, rmsprop, adagrad, adadelta, adamax, nadam, radam, lion";
            return Err(Error::invalid(format!("no optimizer is called `{other}`; there are {known}")));
        }
    })
}

/// Sets the learning rate before every step by the recipe's schedule; `None` for a constant one.
pub fn schedule(options: &Optimizer, steps: usize, accumulate: usize) -> Result<Option<Scheduled>> {
    let schedule: Box<dyn Schedule> = match options.schedule.as_str() {
        "constant" => return Ok(None),
        "cosine" => Box::new(schedules::CosineAnnealing::new(steps.max(1))),
        "one-cycle" => Box::new(schedules::OneCycleLr::new(options.lr.unwrap_or(1e-3), steps.max(1))),
        other => {
            let known = "constant, cosine, one-cycle";
            return Err(Error::invalid(format!("no schedule is called `{other}`; there are {known}")));
        }
    };
    Ok(Some(Scheduled { schedule, accumulate }))
}

/// A schedule as a callback.
pub struct Scheduled {
    schedule: Box<dyn Schedule>,
    accumulate: usize,
}

impl Callback for Scheduled {
    fn on_train_batch_begin(&mut self, state: &mut State) -> Result<()> {
        let per_epoch = state.batches.div_ceil(self.accumulate);
        let step = state.epoch * per_epoch + state.batch / self.accumulate;
        state.optimizer.follow(&*self.schedule, step);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_recipe_is_valid_and_survives_a_round_trip() {
        for (name, text) in BUILT_IN {
            let recipe = Recipe::parse(text, Path::new(name)).unwrap();
            assert_eq!(recipe.data.set, name);
            let again = toml::to_string(&recipe).unwrap();
            assert_eq!(Recipe::parse(&again, Path::new(name)).unwrap(), recipe);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let parse = |text: &str| Recipe::parse(text, Path::new("r.toml")).unwrap_err().to_string();
        let unknown = parse("[data]\nset = 'digits'\n[model]\nname = 'cnn'\n[train]\nepoch = 3");
        assert!(unknown.contains("r.toml") && unknown.contains("unknown field `epoch`"), "{unknown}");
        let zero = parse("[data]\nset = 'digits'\n[model]\nname = 'cnn'\n[train]\nepochs = 0");
        assert_eq!(zero, "r.toml: train.epochs must be at least 1");
        let share = parse("[data]\nset = 'digits'\nvalidation = 1.5\n[model]\nname = 'cnn'");
        assert_eq!(share, "r.toml: data.validation is a share from 0 to below 1, got 1.5");
        let missing = Recipe::load("minst").unwrap_err().to_string();
        assert_eq!(
            missing,
            "no recipe is called `minst`; there are digits, mnist, fashion-mnist, cifar10, image-folder, csv, or give a .toml file"
        );
    }
}
