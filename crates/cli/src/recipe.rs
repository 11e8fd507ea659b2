//! A recipe: everything a training run needs to know, as TOML. The built-in ones are files of this crate.

use crate::source::AUGMENTATIONS;
use hadal::data::datasets::Name;
use hadal::nn::optim::{self, Rule};
use hadal::nn::schedules::{self, Schedule};
use hadal::train::{Callback, State};
use hadal::{Error, Param, Result, Trained, closest, models};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Name and text of every built-in recipe.
pub const BUILT_IN: [(&str, &str); 7] = [
    ("digits", include_str!("../recipes/digits.toml")),
    ("mnist", include_str!("../recipes/mnist.toml")),
    ("fashion-mnist", include_str!("../recipes/fashion-mnist.toml")),
    ("cifar10", include_str!("../recipes/cifar10.toml")),
    ("image-folder", include_str!("../recipes/image-folder.toml")),
    ("csv", include_str!("../recipes/csv.toml")),
    ("npz", include_str!("../recipes/npz.toml")),
];

/// Data that the user brings.
const OWN_DATA: [&str; 3] = ["image-folder", "csv", "npz"];

/// Every optimizer by name.
const OPTIMIZERS: [&str; 10] =
    ["sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "adamax", "nadam", "radam", "lion"];

/// Every schedule by name.
const SCHEDULES: [&str; 3] = ["constant", "cosine", "one-cycle"];

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
    /// `digits`, `mnist`, `fashion-mnist`, `cifar10`, `cifar100`, `image-folder`, `csv` or `npz`.
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
    /// What stands between the cells of a table; a comma if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Columns of a table whose numbers are labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Cells of a table that stand for "not known", besides the empty one, `?`, `NA` and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
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
    /// Stops after this many epochs without a better validation loss (training loss without validation data).
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
    /// The recipe that a model was trained with.
    pub fn of(trained: &Trained) -> Result<Recipe> {
        let recipe = trained.manifest.get("recipe").cloned().unwrap_or_default();
        serde_json::from_value(recipe)
            .map_err(|e| Error::invalid(format!("the model file's recipe cannot be read: {e}")))
    }

    /// A built-in recipe by its name, or a TOML file by its path.
    pub fn load(name: &str) -> Result<Recipe> {
        if let Some((_, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            return Recipe::parse(text, Path::new(name));
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|e| e != "toml") {
            let unknown = Error::unknown("recipe", name, &BUILT_IN.map(|(name, _)| name));
            return Err(Error::invalid(format!("{unknown}, or give a .toml file")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        Recipe::parse(&text, path)
    }

    /// From TOML text; `path` is named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Recipe> {
        let recipe: Recipe = toml::from_str(text).map_err(|e| {
            let meant = meant(e.message()).map_or(String::new(), |key| format!("; did you mean `{key}`?"));
            Error::file(path, format!("{}{meant}", e.to_string().trim_end()))
        })?;
        recipe.check().map_err(|message| Error::file(path, message))?;
        Ok(recipe)
    }

    /// The first setting that makes no sense, in words.
    pub fn check(&self) -> Result<(), String> {
        let Recipe { data, train, optimizer, model } = self;
        let sets: Vec<&str> = Name::ALL.map(Name::as_str).into_iter().chain(OWN_DATA).collect();
        let models: Vec<&str> = models::ALL.iter().map(|entry| entry.name).collect();
        let mut names = vec![
            ("data set", &data.set, &sets[..]),
            ("model", &model.name, &models),
            ("optimizer", &optimizer.name, &OPTIMIZERS),
            ("schedule", &optimizer.schedule, &SCHEDULES),
        ];
        names.extend(data.augment.iter().map(|name| ("augmentation", name, &AUGMENTATIONS[..])));
        if let Some((kind, name, known)) = names.into_iter().find(|(_, name, known)| !known.contains(&name.as_str())) {
            return Err(Error::unknown(kind, name, known).to_string());
        }
        let share = |name: &str, value: f64| match (0.0..1.0).contains(&value) {
            true => Ok(()),
            false => Err(format!("data.{name} is a share from 0 to below 1, got {value}")),
        };
        share("validation", data.validation)?;
        share("test", data.test)?;
        share("validation + test", data.validation + data.test)?;
        self.check_meaning()?;
        for (name, value) in
            [("epochs", train.epochs), ("batch_size", train.batch_size), ("accumulate", train.accumulate)]
        {
            if value == 0 {
                return Err(format!("train.{name} must be at least 1"));
            }
        }
        for (name, value) in [("optimizer.lr", optimizer.lr), ("train.clip_norm", train.clip_norm)] {
            if let Some(value) = value.filter(|value| !(value.is_finite() && *value > 0.0)) {
                return Err(format!("{name} must be a positive number, got {value}"));
            }
        }
        for (name, value) in [
            ("optimizer.momentum", optimizer.momentum),
            ("optimizer.weight_decay", optimizer.weight_decay),
            ("train.label_smoothing", Some(train.label_smoothing)),
        ] {
            if let Some(value) = value.filter(|value| !(0.0..1.0).contains(value)) {
                return Err(format!("{name} must be from 0 to below 1, got {value}"));
            }
        }
        if data.size.contains(&0) || data.size.iter().any(|s| *s > 4096) {
            return Err(format!("data.size must be 1 to 4096 pixels each way, got {:?}", data.size));
        }
        Ok(())
    }

    /// The first setting that the rest of the recipe leaves without effect.
    fn check_meaning(&self) -> Result<(), String> {
        let Recipe { data, optimizer, .. } = self;
        let (set, table) = (data.set.as_str(), data.set == "csv");
        let settings = [
            ("data.target", data.target.is_some(), table, "csv"),
            ("data.delimiter", data.delimiter.is_some(), table, "csv"),
            ("data.categories", !data.categories.is_empty(), table, "csv"),
            ("data.missing", !data.missing.is_empty(), table, "csv"),
            ("data.augment", !data.augment.is_empty(), !table, "images"),
            ("data.test", data.test > 0.0, OWN_DATA.contains(&set), "data that comes in one piece"),
        ];
        if let Some((name, _, _, what)) = settings.iter().find(|(_, given, used, _)| *given && !used) {
            return Err(format!("{name} is for {what}, not for {set}"));
        }
        if optimizer.momentum.is_some() && !["sgd", "rmsprop"].contains(&optimizer.name.as_str()) {
            return Err(format!("optimizer.momentum is for sgd and rmsprop, not for {}", optimizer.name));
        }
        match data.delimiter {
            Some(delimiter) if !delimiter.is_ascii() || delimiter == '"' => {
                Err(format!("data.delimiter must be an ASCII character and no quote, got {delimiter:?}"))
            }
            _ => Ok(()),
        }
    }
}

/// The known key that a message of the parser, "unknown field `epoch`, expected one of `epochs`, …", is about.
fn meant(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    let unknown = names.next()?;
    closest(unknown, &names.collect::<Vec<_>>())
}

/// The optimizer that a recipe names, over these parameters.
pub fn optimizer(options: &Optimizer, params: Vec<Param>) -> Result<optim::Optimizer> {
    let lr = |default: f64| options.lr.unwrap_or(default);
    let decay = options.weight_decay.unwrap_or(0.0);
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
            return Err(Error::unknown("optimizer", other, &OPTIMIZERS));
        }
    })
}

/// Sets the learning rate before every step by the recipe's schedule; `None` for a constant one.
pub fn schedule(options: &Optimizer, steps: usize, accumulate: usize) -> Result<Option<Scheduled>> {
    let schedule: Box<dyn Schedule> = match options.schedule.as_str() {
        "constant" => return Ok(None),
        "cosine" => Box::new(schedules::CosineAnnealing::new(steps.max(1))),
        "one-cycle" => Box::new(schedules::OneCycleLr::new(options.lr.unwrap_or(1e-3), steps.max(1))),
        other => return Err(Error::unknown("schedule", other, &SCHEDULES)),
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
            "no recipe is called `minst`; did you mean `mnist`? There are digits, mnist, fashion-mnist, cifar10, \
             image-folder, csv, npz, or give a .toml file"
        );
    }
}
