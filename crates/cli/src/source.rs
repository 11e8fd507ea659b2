//! From a recipe's `[data]` table to loaders.

mod arrays;
mod images;
mod table;

use crate::recipe::Recipe;
use hadal::data::preprocessing::Preprocessing;
use hadal::data::{Dataset, Loader, Subset, random_split, stratified_split};
use hadal::{Error, Result, Trained};
pub use images::AUGMENTATIONS;
use std::path::{Path, PathBuf};
pub use table::read as read_table;

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// One of several classes.
    Classify,
    /// Numbers.
    Regress,
}

impl Task {
    /// The task of a model whose classes are called `labels`.
    pub fn of(labels: &[String]) -> Task {
        if labels.is_empty() { Task::Regress } else { Task::Classify }
    }
}

/// Everything that the data decides.
pub struct Source {
    pub train: Loader,
    pub validation: Option<Loader>,
    pub test: Loader,
    /// What the classes are called; empty where numbers are predicted.
    pub labels: Vec<String>,
    /// The number of outputs that the model needs.
    pub outputs: usize,
    pub preprocessing: Preprocessing,
}

impl Source {
    /// What is predicted.
    pub fn task(&self) -> Task {
        Task::of(&self.labels)
    }
}

/// Batches for measuring are larger: there is nothing to keep for a gradient.
const TEST_BATCH: usize = 256;

/// Loads the data of a recipe. `limit` keeps the first training samples only.
pub fn open(recipe: &Recipe, limit: Option<usize>) -> Result<Source> {
    match recipe.data.set.as_str() {
        "csv" => table::open(recipe, limit),
        "image-folder" => images::open_folder(recipe, limit),
        "npz" => arrays::open(recipe, limit),
        _ => images::open_named(recipe, limit),
    }
}

/// The test data of a trained model, prepared as the model asks: the test part of its own data, or what is at another
/// place. Data of one piece counts whole there, since none of it was learned from.
pub fn open_test(trained: &Trained, elsewhere: Option<PathBuf>) -> Result<Loader> {
    let mut recipe = Recipe::of(trained)?;
    let whole = elsewhere.as_ref().is_some_and(|place| !recipe.data.path.as_ref().is_some_and(|own| same(own, place)));
    recipe.data.path = elsewhere.or(recipe.data.path);
    match recipe.data.set.as_str() {
        "csv" => table::open_test(&recipe, trained, whole),
        "image-folder" => images::open_test_folder(&recipe, trained, whole),
        "npz" => arrays::open_test(&recipe, trained, whole),
        _ => images::open_test_named(&recipe, trained),
    }
}

/// What a trained model learned from, at another place if one is given. `limit` keeps the first training samples only, as
/// they are: changes are for those that learn.
pub fn open_training(trained: &Trained, elsewhere: Option<PathBuf>, limit: Option<usize>) -> Result<Source> {
    let mut recipe = Recipe::of(trained)?;
    recipe.data.path = elsewhere.or(recipe.data.path);
    if limit.is_some() {
        recipe.data.augment.clear();
    }
    open(&recipe, limit)
}

/// Whether both paths lead to the same place.
fn same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Indices for training, validation and test, for data that comes in one piece. Where there are classes, every part has
/// the same share of each.
fn parts(recipe: &Recipe, samples: usize, classes: Option<&[usize]>) -> Result<[Vec<usize>; 3]> {
    let (validation, test) = (recipe.data.validation, recipe.data.test);
    if test == 0.0 {
        return Err(Error::invalid(format!("recipe {}: data.test must say which share to test on", recipe.data.set)));
    }
    let shares = [1.0 - validation - test, validation, test];
    let parts = match classes {
        Some(classes) => stratified_split(classes, &shares, recipe.train.seed),
        None => random_split(samples, &shares, recipe.train.seed),
    };
    let parts: [Vec<usize>; 3] = parts.try_into().expect("three shares give three parts");
    if parts[0].is_empty() || parts[2].is_empty() {
        let sizes = parts.each_ref().map(Vec::len);
        return Err(Error::invalid(format!(
            "{samples} samples cannot be split into {sizes:?} for training, validation and test"
        )));
    }
    Ok(parts)
}

/// Indices for validation and for training, for data that has a test part of its own.
fn set_aside(recipe: &Recipe, samples: usize, classes: Option<&[usize]>) -> [Vec<usize>; 2] {
    let shares = [recipe.data.validation, 1.0 - recipe.data.validation];
    let parts = match classes {
        Some(classes) => stratified_split(classes, &shares, recipe.train.seed),
        None => random_split(samples, &shares, recipe.train.seed),
    };
    parts.try_into().expect("two shares give two parts")
}

/// The samples to measure on: all, or the test part.
fn measured<D: Dataset + 'static>(
    dataset: D,
    recipe: &Recipe,
    classes: Option<&[usize]>,
    whole: bool,
) -> Result<Loader> {
    if whole {
        return Ok(Loader::new(dataset, TEST_BATCH));
    }
    let [_, _, test] = parts(recipe, dataset.len(), classes)?;
    Ok(Loader::new(Subset::new(dataset, test), TEST_BATCH))
}

fn first(mut indices: Vec<usize>, limit: Option<usize>) -> Vec<usize> {
    indices.truncate(limit.unwrap_or(usize::MAX));
    indices
}

fn required(recipe: &Recipe, what: &str) -> Result<PathBuf> {
    let missing = || Error::invalid(format!("recipe {} needs data: give {what} with --data", recipe.data.set));
    recipe.data.path.clone().ok_or_else(missing)
}
