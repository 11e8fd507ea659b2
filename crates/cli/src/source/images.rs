//! Images: data sets with a name, and folders with one sub-folder per class.

use super::{Source, TEST_BATCH, first, measured, parts, required, set_aside};
use crate::console::note;
use crate::recipe::Recipe;
use hadal::data::image::Channels;
use hadal::data::preprocessing::Preprocessing;
use hadal::data::transforms::{
    HorizontalFlip, Normalize, Pipeline, RandAugment, RandomAffine, RandomCrop, RandomErasing, Resize, TrivialAugment,
};
use hadal::data::{Dataset, ImageFolder, ImageSet, Loader, Split, Subset, datasets, download};
use hadal::{Error, Result, Trained};
use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::sync::Arc;

/// What can be done to training images.
pub const AUGMENTATIONS: [&str; 6] = ["flip", "crop", "rotate", "erase", "randaugment", "trivialaugment"];

pub fn open_named(recipe: &Recipe, limit: Option<usize>) -> Result<Source> {
    let (train, test) = (load(recipe, Split::Train)?, load(recipe, Split::Test)?);
    warn_if_shared(&train, &test);
    let (mean, std) = train.mean_and_std();
    let [channels, height, width] = train.shape;
    let preprocessing = Preprocessing::Image { channels, height, width, mean, std };
    let labels = train.classes.clone();
    let classes: Vec<usize> = train.labels.iter().map(|&label| label as usize).collect();
    let [validation, rest] = set_aside(recipe, train.len(), Some(&classes));
    let train = Arc::new(train);
    let plain = || preprocessing.image().map(|(_, pipeline)| pipeline);
    Ok(Source {
        validation: match validation.is_empty() {
            true => None,
            false => Some(Loader::new(Subset::new(train.clone(), validation), TEST_BATCH).transform(plain()?)),
        },
        train: training(Subset::new(train, first(rest, limit)), recipe, &preprocessing)?,
        test: Loader::new(test, TEST_BATCH).transform(plain()?),
        outputs: labels.len(),
        labels,
        preprocessing,
    })
}

pub fn open_test_named(recipe: &Recipe, trained: &Trained) -> Result<Loader> {
    let (_, pipeline) = trained.preprocessing.image()?;
    Ok(Loader::new(load(recipe, Split::Test)?, TEST_BATCH).transform(pipeline))
}

fn load(recipe: &Recipe, split: Split) -> Result<ImageSet> {
    datasets::load(recipe.data.set.parse()?, split, recipe.data.path.as_deref(), &mut report)
}

pub fn open_folder(recipe: &Recipe, limit: Option<usize>) -> Result<Source> {
    let path = folder_path(recipe)?;
    let folder = ImageFolder::open(&path, Channels::Rgb)?;
    let labels = folder.classes.clone();
    if let [class] = &labels[..] {
        let message = format!("has one class, `{class}`; expected a sub-folder for each of two or more");
        return Err(Error::file(&path, message));
    }
    let classes: Vec<usize> = folder.files.iter().map(|(_, label)| *label).collect();
    let parts = parts(recipe, classes.len(), Some(&classes)).map_err(|error| Error::file(&path, error));
    let [train, validation, test] = parts?;
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
        outputs: labels.len(),
        labels,
        preprocessing,
    })
}

pub fn open_test_folder(recipe: &Recipe, trained: &Trained, whole: bool) -> Result<Loader> {
    let (channels, pipeline) = trained.preprocessing.image()?;
    let path = folder_path(recipe)?;
    let mut folder = ImageFolder::open(&path, channels)?;
    // Another folder may have its classes at other places in the order, or only some of them.
    let place = |class: &String| {
        trained.labels.iter().position(|label| label == class).ok_or_else(|| {
            let message = format!("has the class `{class}`; the model knows {}", trained.labels.join(", "));
            Error::file(&path, message)
        })
    };
    let places: Vec<usize> = folder.classes.iter().map(place).collect::<Result<_>>()?;
    folder.files.iter_mut().for_each(|(_, label)| *label = places[*label]);
    folder.classes.clone_from(&trained.labels);
    let classes: Vec<usize> = folder.files.iter().map(|(_, label)| *label).collect();
    Ok(measured(folder, recipe, Some(&classes), whole)?.transform(pipeline))
}

fn folder_path(recipe: &Recipe) -> Result<PathBuf> {
    required(recipe, "the folder that has one sub-folder per class")
}

/// Shuffled batches of augmented images.
pub fn training(dataset: impl Dataset + 'static, recipe: &Recipe, preprocessing: &Preprocessing) -> Result<Loader> {
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
            other => return Err(Error::unknown("augmentation", other, &AUGMENTATIONS)),
        };
    }
    let pipeline = pipeline.then(Normalize::new(mean, std));
    Ok(Loader::new(dataset, recipe.train.batch_size).shuffle(recipe.train.seed).transform(pipeline))
}

/// A model must not be measured on what it learned from.
fn warn_if_shared(train: &ImageSet, test: &ImageSet) {
    if !test.is_empty() && train.images.len() >= test.images.len() && train.images.starts_with(&test.images) {
        note!("warning: the test images are also training images; the test accuracy will be too good");
    }
}

/// Shows how far a download is: a line that grows on a terminal, one line at the end elsewhere.
fn report(progress: download::Progress) {
    let download::Progress { name, received, total } = progress;
    let live = stderr().is_terminal();
    if live {
        let _ = write!(stderr(), "\rdownloading {name}: {} of {} KiB", received >> 10, total >> 10);
    }
    if received == total {
        if live { note!("") } else { note!("downloaded {name}: {} KiB", total >> 10) }
    }
}
