//! Hadal's data: datasets, file readers, downloads, transforms and the loader.
//!
//! * [`digits`] is the data set that needs no download: the program draws it.
//! * [`idx`], [`cifar`], [`csv`], [`image`] and [`image_folder`] read files, and expect the worst of them.

pub mod cifar;
pub mod csv;
pub mod digits;
pub mod idx;
pub mod image;
pub mod image_folder;
pub mod random;
#[cfg(test)]
mod testing;
mod unpack;

use hadal_core::{Error, Result};
