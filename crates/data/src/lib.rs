//! Hadal's data: datasets, file readers, downloads, transforms and the loader.
//!
//! * [`transforms`] change images on their way into the model.
//! * [`digits`] is the data set that needs no download: the program draws it.
//! * [`datasets`] are those with a name: MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100; [`download`] fetches them into the
//!   [`cache`].
//! * [`idx`], [`cifar`], [`csv`], [`image`] and [`image_folder`] read files, and expect the worst of them.

pub mod cache;
pub mod cifar;
pub mod csv;
pub mod datasets;
pub mod digits;
pub mod download;
pub mod idx;
pub mod image;
pub mod image_folder;
mod image_set;
pub mod random;
mod split;
mod tar;
#[cfg(test)]
mod testing;
pub mod transforms;
mod unpack;

use hadal_core::{Error, Result};
pub use image_folder::ImageFolder;
pub use image_set::ImageSet;
pub use split::Split;
