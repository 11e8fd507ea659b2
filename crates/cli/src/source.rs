//! From a recipe's `[data]` table to loaders.

use crate::preprocessing::{Feature, Preprocessing, encode};
use crate::recipe::Recipe;
use hadal::data::csv::{self, Column, Table};
use hadal::data::image::Channels;
use hadal::data::transforms::{
    HorizontalFlip, Normalize, Pipeline, RandAugment, RandomAffine, RandomCrop, RandomErasing, Resize, TrivialAugment,
};
use hadal::data::{Dataset, ImageFolder, ImageSet, Loader, Split, Subset, TensorDataset, datasets, stratified_split};
use hadal::data::{download, random_split};
use hadal::{Error, Result, Tensor};
use std::path::PathBuf;
use std::sync::Arc;

/// What is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// One of several classes.
    Classify,
    /// A number.
    Regress,
}

/// Everything that the data decides.
pub struct Source {
    pub train: Loader,
    pub validation: Option<Loader>,
    pub test: Loader,
    pub task: Task,
    /// What the classes are called; empty for a number.
    pub labels: Vec<String>,
    pub preprocessing: Preprocessing,
}

impl Source {
    /// The number of outputs that the model needs.
    pub fn outputs(&self) -> usize {
        if self.task == Task::Classify { self.labels.len() } else { 1 }
    }
}

/// Batches for measuring are larger: there is nothing to keep for a gradient.
const TEST_BATCH: usize = 256;

/// Loads the data of a recipe. `limit` keeps the first training samples only.
pub fn open(recipe: &Recipe, limit: Option<usize>) -> Result<Source> {
    match recipe.data.set.as_str() {
        "csv" => table(recipe, limit),
        "image-folder" => image_folder(recipe, limit),
        _ => named(recipe, limit),
    }
}

/// The test data of a model that was trained by `recipe`, prepared as the model asks.
pub fn open_test(recipe: &Recipe, preprocessing: &Preprocessing) -> Result<(Loader, Task)> {
    if recipe.data.set == "csv" {
        let path = required(recipe, "csv", "the CSV file")?;
        let table = csv::read(&path, &csv::Options::default())?;
        let Preprocessing::Table { features } = preprocessing else {
            return Err(Error::invalid("the model takes images, the recipe has a table"));
        };
        let (name, target) = target_column(recipe, &table)?;
        let (task, _, targets) = targets(name, target)?;
        let all = TensorDataset::new(&encode(&table, features)?, &targets);
        let [_, _, test] = parts(recipe, &labels_of(target), task)?;
        return Ok((Loader::new(Subset::new(all, test), TEST_BATCH), task));
    }
    let (channels, pipeline) = preprocessing.image()?;
    let loader = match recipe.data.set.as_str() {
        "image-folder" => {
            let folder = ImageFolder::open(required(recipe, "image-folder", "the folder")?, channels)?;
            let labels: Vec<usize> = folder.files.iter().map(|(_, label)| *label).collect();
            let [_, _, test] = parts(recipe, &labels, Task::Classify)?;
            Loader::new(Subset::new(folder, test), TEST_BATCH)
        }
        name => Loader::new(
            datasets::load(name.parse()?, Split::Test, recipe.data.path.as_deref(), &mut report)?,
            TEST_BATCH,
        ),
    };
    Ok((loader.transform(pipeline), Task::Classify))
}

fn named(recipe: &Recipe, limit: Option<usize>) -> Result<Source> {
    let name: datasets::Name = recipe
        .data
        .set
        .parse()
        .map_err(|error: Error| Error::invalid(format!("{error}, and besides these image-folder and csv")))?;
    let load = |split| datasets::load(name, split, recipe.data.path.as_deref(), &mut report);
    let (train, test) = (load(Split::Train)?, load(Split::Test)?);
    warn_if_shared(&train, &test);
    let (mean, std) = train.mean_and_std();
    let [channels, height, width] = train.shape;
    let preprocessing = Preprocessing::Image { channels, height, width, mean, std };
    let labels = train.classes.clone();
    let classes: Vec<usize> = train.labels.iter().map(|&label| label as usize).collect();
    let [validation, rest] = two_parts(recipe.data.validation, &classes, recipe.train.seed);
    let train = Arc::new(train);
    let plain = || preprocessing.image().map(|(_, pipeline)| pipeline);
    Ok(Source {
        validation: match validation.is_empty() {
            true => None,
            false => Some(Loader::new(Subset::new(train.clone(), validation), TEST_BATCH).transform(plain()?)),
        },
        train: training(Subset::new(train, first(rest, limit)), recipe, &preprocessing)?,
        test: Loader::new(test, TEST_BATCH).transform(plain()?),
        task: Task::Classify,
        labels,
        preprocessing,
    })
}

fn image_folder(recipe: &Recipe, limit: Option<usize>) -> Result<Source> {
    let root = required(recipe, "image-folder", "the folder that has one sub-folder per class")?;
    let folder = ImageFolder::open(&root, Channels::Rgb)?;
    let labels = folder.classes.clone();
    let classes: Vec<usize> = folder.files.iter().map(|(_, label)| *label).collect();
    let [train, validation, test] = parts(recipe, &classes, Task::Classify)?;
    let [height, width] = recipe.data.size;
    // The statistics of ImageNet, which photographs are close to.
    let (mean, std) = (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
    let preprocessing = Preprocessing::Image { channels: 3, height, width, mean, std };
    let folder = Arc::new(folder);
    let part = |indices| {
        let loader = Loader::new(Subset::new(folder.clone(), indices), TEST_BATCH);
        Ok::<_, Error>(loader.transform(preprocessing.image()?.1))
    };
    Ok(Source {
        train: training(Subset::new(folder.clone(), first(train, limit)), recipe, &preprocessing)?,
        validation: if validation.is_empty() { None } else { Some(part(validation)?) },
        test: part(test)?,
        task: Task::Classify,
        labels,
        preprocessing,
    })
}

fn table(recipe: &Recipe, limit: Option<usize>) -> Result<Source> {
    let path = required(recipe, "csv", "the CSV file")?;
    let table = csv::read(&path, &csv::Options::default())?;
    let (name, target) = target_column(recipe, &table)?;
    let (task, labels, targets) = targets(name, target)?;
    let [train, validation, test] = parts(recipe, &labels_of(target), task)?;
    let columns = table.names.iter().zip(&table.columns).filter(|(column, _)| *column != name);
    let features: Vec<Feature> = columns.map(|(name, column)| Feature::learn(name, column, &train)).collect();
    if features.is_empty() {
        return Err(Error::file(&path, "has only one column, which is the target: nothing to predict it from"));
    }
    let all = Arc::new(TensorDataset::new(&encode(&table, &features)?, &targets));
    let part = |indices| Loader::new(Subset::new(all.clone(), indices), TEST_BATCH);
    Ok(Source {
        train: Loader::new(Subset::new(all.clone(), first(train, limit)), recipe.train.batch_size)
            .shuffle(recipe.train.seed),
        validation: (!validation.is_empty()).then(|| part(validation)),
        test: part(test),
        task,
        labels,
        preprocessing: Preprocessing::Table { features },
    })
}

/// Shuffled batches of augmented images.
fn training(dataset: impl Dataset + 'static, recipe: &Recipe, preprocessing: &Preprocessing) -> Result<Loader> {
    let Preprocessing::Image { height, width, mean, std, .. } = preprocessing else {
        unreachable!("only images are augmented")
    };
    let mut pipeline = Pipeline::new().then(Resize { height: *height, width: *width });
    for name in &recipe.data.augment {
        pipeline = match name.as_str() {
            "flip" => pipeline.then(HorizontalFlip::default()),
            "crop" => pipeline.then(RandomCrop::new(*height, *width).padding(height / 8)),
            "rotate" => pipeline.then(RandomAffine::rotation(10.0)),
            "erase" => pipeline.then(RandomErasing::default()),
            "randaugment" => pipeline.then(RandAugment::default()),
            "trivialaugment" => pipeline.then(TrivialAugment),
            other => {
                let known = "flip, crop, rotate, erase, randaugment, trivialaugment";
                return Err(Error::invalid(format!("no augmentation is called `{other}`; there are {known}")));
            }
        };
    }
    let pipeline = pipeline.then(Normalize::new(mean, std));
    Ok(Loader::new(dataset, recipe.train.batch_size).shuffle(recipe.train.seed).transform(pipeline))
}

/// The target column and its name: the one the recipe names, else the last.
fn target_column<'a>(recipe: &Recipe, table: &'a Table) -> Result<(&'a str, &'a Column)> {
    let name = match &recipe.data.target {
        Some(name) => table.names.iter().find(|known| *known == name).map_or(name.as_str(), |known| known),
        None => table.names.last().expect("a table has columns"),
    };
    let column = table.column(name)?;
    let position = table.names.iter().position(|known| known == name).expect("the column was found");
    Ok((&table.names[position], column))
}

/// Categories are classes, numbers are to be predicted as they are.
fn targets(name: &str, column: &Column) -> Result<(Task, Vec<String>, Tensor)> {
    let missing = |row: usize| Error::invalid(format!("the target {name:?} is missing in row {}", row + 1));
    match column {
        Column::Categories { levels, codes } => {
            let codes = codes.iter().enumerate().map(|(row, code)| code.map(i64::from).ok_or_else(|| missing(row)));
            Ok((Task::Classify, levels.clone(), Tensor::from_slice(&codes.collect::<Result<Vec<i64>>>()?)))
        }
        Column::Numbers(values) => {
            if let Some(row) = values.iter().position(|v| !v.is_finite()) {
                return Err(missing(row));
            }
            let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            Ok((Task::Regress, Vec::new(), Tensor::try_from_vec(values, [column_rows(column), 1])?))
        }
    }
}

fn column_rows(column: &Column) -> usize {
    match column {
        Column::Numbers(values) => values.len(),
        Column::Categories { codes, .. } => codes.len(),
    }
}

/// The class of every row, or 0 where a number is predicted.
fn labels_of(column: &Column) -> Vec<usize> {
    match column {
        Column::Numbers(values) => vec![0; values.len()],
        Column::Categories { codes, .. } => codes.iter().map(|code| code.unwrap_or(0) as usize).collect(),
    }
}

/// Indices for training, validation and test, for data that comes in one piece.
fn parts(recipe: &Recipe, labels: &[usize], task: Task) -> Result<[Vec<usize>; 3]> {
    let (validation, test) = (recipe.data.validation, recipe.data.test);
    if test == 0.0 {
        return Err(Error::invalid(format!("recipe {}: data.test must say which share to test on", recipe.data.set)));
    }
    let shares = [1.0 - validation - test, validation, test];
    let parts = match task {
        Task::Classify => stratified_split(labels, &shares, recipe.train.seed),
        Task::Regress => random_split(labels.len(), &shares, recipe.train.seed),
    };
    let parts: [Vec<usize>; 3] = parts.try_into().expect("three shares give three parts");
    if parts[0].is_empty() || parts[2].is_empty() {
        let sizes = parts.each_ref().map(Vec::len);
        return Err(Error::invalid(format!("{} samples are too few to split into {sizes:?}", labels.len())));
    }
    Ok(parts)
}

fn two_parts(share: f64, labels: &[usize], seed: u64) -> [Vec<usize>; 2] {
    stratified_split(labels, &[share, 1.0 - share], seed).try_into().expect("two shares give two parts")
}

fn first(mut indices: Vec<usize>, limit: Option<usize>) -> Vec<usize> {
    indices.truncate(limit.unwrap_or(usize::MAX).max(1));
    indices
}

fn required(recipe: &Recipe, set: &str, what: &str) -> Result<PathBuf> {
    let missing = || Error::invalid(format!("recipe {set} needs data: give {what} with --data"));
    recipe.data.path.clone().ok_or_else(missing)
}

/// A model must not be measured on what it learned from.
fn warn_if_shared(train: &ImageSet, test: &ImageSet) {
    if !test.is_empty() && train.images.len() >= test.images.len() && train.images.starts_with(&test.images) {
        eprintln!("warning: the test images are also training images; the test accuracy will be too good");
    }
}

/// Shows how far a download is.
fn report(progress: download::Progress) {
    let download::Progress { name, received, total } = progress;
    eprint!("\rdownloading {name}: {} of {} KiB", received >> 10, total >> 10);
    if received == total {
        eprintln!();
    }
}
