//! Arrays in npy and npz files.
//!
//! Integer targets are classes, others are numbers to predict. Bytes in the shape of images are images: divided by 255,
//! normalized and augmented. Other inputs are taken as they are.

use super::images::training;
use super::{Source, TEST_BATCH, first, measured, parts, required, set_aside};
use crate::recipe::Recipe;
use hadal::data::arrays::{self, Pair};
use hadal::data::preprocessing::Preprocessing;
use hadal::data::{Dataset, ImageSet, Loader, Subset, TensorDataset};
use hadal::{DType, Error, Result, Tensor, Trained};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More classes than this are numbers that somebody saved as integers.
const MOST_CLASSES: i64 = 100_000;

pub fn open(recipe: &Recipe, limit: Option<usize>) -> Result<Source> {
    let path = place(recipe)?;
    let arrays = arrays::read(&path)?;
    let all = [Some(&arrays.train), arrays.test.as_ref()];
    let labels = labels(all.into_iter().flatten(), &path)?;
    if labels.len() == 1 {
        return Err(Error::file(&path, "has samples of class 0 only"));
    }
    let (train, classes) = samples(&arrays.train, &labels)?;
    let outputs = match labels.is_empty() {
        true => arrays.train.y.shape()[1..].iter().product(),
        false => labels.len(),
    };
    let x = images(&arrays.train.x);
    let preprocessing = match x.dtype() {
        DType::U8 => {
            let shape: [usize; 3] = x.shape()[1..].try_into().expect("images have three axes");
            let set = ImageSet { images: x.to_bytes(), shape, labels: vec![0; x.shape()[0]], classes: Vec::new() };
            let (mean, std) = set.mean_and_std();
            let [channels, height, width] = shape;
            Preprocessing::Image { channels, height, width, mean, std }
        }
        _ => Preprocessing::Array { shape: x.shape()[1..].to_vec() },
    };
    let train = Arc::new(train);
    let part = |indices| Subset::new(train.clone(), indices);
    let (learned, validation, test) = match &arrays.test {
        Some(pair) => {
            let [validation, rest] = set_aside(recipe, train.len(), classes.as_deref());
            (rest, validation, prepared(Loader::new(samples(pair, &labels)?.0, TEST_BATCH), &preprocessing)?)
        }
        None => {
            let parts = parts(recipe, train.len(), classes.as_deref());
            let [rest, validation, test] = parts.map_err(|error| Error::file(&path, error))?;
            (rest, validation, prepared(Loader::new(part(test), TEST_BATCH), &preprocessing)?)
        }
    };
    let learned = part(first(learned, limit));
    Ok(Source {
        train: match &preprocessing {
            Preprocessing::Image { .. } => training(learned, recipe, &preprocessing)?,
            _ => Loader::new(learned, recipe.train.batch_size).shuffle(recipe.train.seed),
        },
        validation: match validation.is_empty() {
            true => None,
            false => Some(prepared(Loader::new(part(validation), TEST_BATCH), &preprocessing)?),
        },
        test,
        outputs,
        labels,
        preprocessing,
    })
}

pub fn open_test(recipe: &Recipe, trained: &Trained, whole: bool) -> Result<Loader> {
    let path = place(recipe)?;
    let arrays = arrays::read(&path)?;
    let (pair, whole) = arrays.test.as_ref().map_or((&arrays.train, whole), |test| (test, true));
    let (expected, found) = (trained.preprocessing.shape(), images(&pair.x));
    if found.shape()[1..] != expected[..] {
        let message = format!("has samples of shape {:?}, the model takes {expected:?}", &found.shape()[1..]);
        return Err(Error::file(&path, message));
    }
    let known = labels([pair].into_iter(), &path)?.len();
    if known > trained.labels.len() {
        let message = format!("has {known} classes, the model knows {}", trained.labels.len());
        return Err(Error::file(&path, message));
    }
    let (all, classes) = samples(pair, &trained.labels)?;
    prepared(measured(all, recipe, classes.as_deref(), whole)?, &trained.preprocessing)
}

fn place(recipe: &Recipe) -> Result<PathBuf> {
    required(recipe, "the .npz file, or the folder of .npy files")
}

/// Bytes `[samples, height, width]`, `[samples, channels, height, width]` or with the channels last as bytes `[samples,
/// channels, height, width]`; everything else as `f32`.
fn images(x: &Tensor) -> Tensor {
    let channels = |n: usize| n == 1 || n == 3;
    match (x.dtype(), &x.shape()[..]) {
        (DType::U8, [_, _, _]) => x.unsqueeze(1),
        (DType::U8, [_, c, _, _]) if channels(*c) => x.clone(),
        (DType::U8, [_, _, _, c]) if channels(*c) => x.permute([0, 3, 1, 2]),
        _ => x.to_dtype(DType::F32),
    }
}

/// The names of the classes, which are their numbers; none where the targets are not integers.
fn labels<'a>(pairs: impl Iterator<Item = &'a Pair>, path: &Path) -> Result<Vec<String>> {
    let mut classes = 0;
    for Pair { y, .. } in pairs {
        if y.dtype().is_float() {
            return Ok(Vec::new());
        }
        if y.elements() != y.shape()[0] {
            let message = format!("has integer targets {}; expected one class per sample, [samples]", y.shape());
            return Err(Error::file(path, message));
        }
        let values = y.to_dtype(DType::I64).to_vec::<i64>();
        if let Some(sample) = values.iter().position(|class| !(0..MOST_CLASSES).contains(class)) {
            let class = values[sample];
            let message = format!(
                "has class {class} for sample {sample}; classes count from 0 to at most {}, and numbers to predict are \
                 saved as floats",
                MOST_CLASSES - 1
            );
            return Err(Error::file(path, message));
        }
        classes = classes.max(values.into_iter().max().unwrap_or(0) + 1);
    }
    Ok((0..classes).map(|class| class.to_string()).collect())
}

/// Inputs with labels `[samples]`, or with numbers `[samples, outputs]`; and the class of every sample.
fn samples(pair: &Pair, labels: &[String]) -> Result<(TensorDataset, Option<Vec<usize>>)> {
    let (x, rows) = (images(&pair.x), pair.y.shape()[0]);
    if labels.is_empty() {
        let y = pair.y.try_to_dtype(DType::F32)?.try_reshape([rows, pair.y.elements() / rows])?;
        return Ok((TensorDataset::new(&x, &y), None));
    }
    let y = pair.y.try_to_dtype(DType::I64)?.try_reshape([rows])?;
    let classes = y.to_vec::<i64>().into_iter().map(|class| class as usize).collect();
    Ok((TensorDataset::new(&x, &y), Some(classes)))
}

/// With the images made inputs, if they are images.
fn prepared(loader: Loader, preprocessing: &Preprocessing) -> Result<Loader> {
    match preprocessing {
        Preprocessing::Image { .. } => Ok(loader.transform(preprocessing.image()?.1)),
        _ => Ok(loader),
    }
}
