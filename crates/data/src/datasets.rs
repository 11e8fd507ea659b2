//! The data sets that have a name: found on disk if they are there, downloaded otherwise.

mod published;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::cifar::{self, Records, Variant};
use crate::download::{self, Progress};
use crate::{Error, ImageSet, Result, Split, cache, digits, idx, tar};

/// A data set by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// Drawn by the program, see [`digits`]: 12,000 and 2,000 grey images of 28 × 28, 10 classes.
    Digits,
    /// Handwritten digits (LeCun, Cortes, Burges): 60,000 and 10,000 grey images of 28 × 28, 10 classes.
    Mnist,
    /// Clothes (Xiao, Rasul, Vollgraf 2017): the sizes of MNIST.
    FashionMnist,
    /// Tiny photographs (Krizhevsky 2009): 50,000 and 10,000 colour images of 32 × 32, 10 classes.
    Cifar10,
    /// The same sizes, 100 classes.
    Cifar100,
}

impl Name {
    /// All of them.
    pub const ALL: [Name; 5] = [Name::Digits, Name::Mnist, Name::FashionMnist, Name::Cifar10, Name::Cifar100];

    /// As it is written on the command line: `fashion-mnist`.
    pub fn as_str(self) -> &'static str {
        match self {
            Name::Digits => "digits",
            Name::Mnist => "mnist",
            Name::FashionMnist => "fashion-mnist",
            Name::Cifar10 => "cifar10",
            Name::Cifar100 => "cifar100",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Name> {
        let found = Name::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| Error::unknown("data set", text, &Name::ALL.map(Name::as_str)))
    }
}

/// Loads one split of a data set.
///
/// With `data`, only that folder is searched: it may hold the files themselves or a sub-folder with the set's name
/// (`mnist/`, or torchvision's `MNIST/raw/`), each file compressed or not. Of CIFAR, any number of batch files will do. Without
/// `data`, the [cache folder](cache::folder) is searched in the same way, and what is missing is downloaded into it.
///
/// # Errors
/// When nothing is found or can be downloaded, or a file is damaged or not what its place says.
pub fn load(name: Name, split: Split, data: Option<&Path>, progress: &mut dyn FnMut(Progress)) -> Result<ImageSet> {
    if name == Name::Digits {
        return Ok(digits::load(split, 0));
    }
    let root = data.map_or_else(cache::folder, |folder| Ok(folder.to_path_buf()))?;
    let places: Vec<PathBuf> = published::folders(name).iter().map(|folder| root.join(folder)).collect();
    if let Some(folder) = places.iter().find(|folder| published::is_here(name, split, folder)) {
        return read(name, split, folder);
    }
    if data.is_some() && !root.is_dir() {
        return Err(Error::file(&root, format!("is not a folder; expected one with {}", published::files(name))));
    }
    if data.is_some() {
        let looked = places.iter().map(|place| format!("\n  {}", place.display())).collect::<String>();
        let message =
            format!("no {name} files for the {split} split; expected {} in one of{looked}", published::files(name));
        return Err(Error::file(&root, message));
    }
    let folder = root.join(name.as_str());
    for remote in published::remotes(name, split) {
        download::fetch(&remote, &folder, progress)?;
    }
    read(name, split, &folder)
}

/// The folder that holds both splits of a data set, searched as [`load`] searches; `None` when a file is missing.
///
/// # Errors
/// When there is neither `data` nor a cache folder.
pub fn find(name: Name, data: Option<&Path>) -> Result<Option<PathBuf>> {
    let root = data.map_or_else(cache::folder, |folder| Ok(folder.to_path_buf()))?;
    let mut places = published::folders(name).iter().map(|folder| root.join(folder));
    let whole = |folder: &PathBuf| [Split::Train, Split::Test].iter().all(|&s| published::is_here(name, s, folder));
    Ok(places.find(whole))
}

fn read(name: Name, split: Split, folder: &Path) -> Result<ImageSet> {
    match name {
        Name::Cifar10 | Name::Cifar100 => read_cifar(name, split, folder),
        _ => read_mnist(name, split, folder),
    }
}

fn read_mnist(name: Name, split: Split, folder: &Path) -> Result<ImageSet> {
    let [image_file, label_file] = published::mnist_files(split, folder)
        .ok_or_else(|| Error::file(folder, format!("no {name} files for the {split} split")))?;
    let (images, labels) = (idx::read(&image_file)?, idx::read(&label_file)?);
    let [count, height, width] = images.shape[..] else {
        let message = format!("expected images [samples, rows, columns], found an array {:?}", images.shape);
        return Err(Error::file(image_file, message));
    };
    if labels.shape != [count] {
        let message = format!("expected {count} labels, one per image, found an array {:?}", labels.shape);
        return Err(Error::file(label_file, message));
    }
    if let Some(index) = labels.values.iter().position(|&label| label > 9) {
        let message = format!("label {} of sample {index} is not one of 0 to 9", labels.values[index]);
        return Err(Error::file(label_file, message));
    }
    let other = if name == Name::Mnist { Name::FashionMnist } else { Name::Mnist };
    if labels.values.starts_with(&published::first_labels(other, split)) {
        return Err(Error::file(label_file, format!("this is {other}, not {name}: the files have the same names")));
    }
    Ok(ImageSet {
        images: images.values,
        shape: [1, height, width],
        labels: labels.values,
        classes: published::classes(name),
    })
}

fn read_cifar(name: Name, split: Split, folder: &Path) -> Result<ImageSet> {
    /// A batch file has 10,000 records, CIFAR-100's training file 50,000.
    const MOST: u64 = 60_000 * (cifar::PIXELS as u64 + 2);
    let variant = if name == Name::Cifar10 { Variant::Cifar10 } else { Variant::Cifar100 };
    let mut all = Records::default();
    let batches = published::cifar_batches(name, split, folder);
    for path in &batches {
        all.append(cifar::read(path, variant)?);
    }
    if batches.is_empty() {
        let archive = folder.join(published::archive(name));
        let wanted = |file: &str| published::is_cifar_batch(name, split, file);
        let mut parts = Vec::new();
        tar::files(&archive, MOST, wanted, |file, bytes| {
            parts.push((file.to_string(), cifar::parse(&bytes, variant, &archive.join(file))?));
            Ok(())
        })?;
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        parts.into_iter().for_each(|(_, records)| all.append(records));
    }
    Ok(ImageSet { images: all.images, shape: [3, 32, 32], labels: all.labels, classes: published::classes(name) })
}

#[cfg(test)]
mod tests;
