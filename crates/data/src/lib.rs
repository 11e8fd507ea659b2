//! Hadal's data: datasets, file readers, downloads, transforms and the loader.
//!
//! * A [`Dataset`] gives samples by index: [`ImageSet`], [`ImageFolder`], [`TensorDataset`], or your own.
//! * A [`Loader`] makes mini-batches of them in worker threads; a [`sampler`] chooses the order, [`transforms`] change images
//!   on the way. All of it is a function of (seed, epoch, index), never of the threads.
//! * [`digits`] is the data set that needs no download: the program draws it.
//! * [`datasets`] are those with a name: MNIST, Fashion-MNIST, CIFAR-10 and CIFAR-100; [`download`] fetches them into the
//!   [`cache`].
//! * [`preprocessing`] is what a trained model does to its inputs, stored with it.
//! * [`idx`], [`cifar`], [`csv`], [`arrays`], [`image`] and [`image_folder`] read files, and expect the worst of them; [`tabular`] makes
//!   features of a table.

pub mod arrays;
pub mod cache;
pub mod cifar;
pub mod csv;
mod dataset;
pub mod datasets;
pub mod digits;
pub mod download;
pub mod idx;
pub mod image;
pub mod image_folder;
mod image_set;
mod loader;
mod mix;
mod partition;
pub mod preprocessing;
pub mod random;
pub mod sampler;
mod split;
pub mod tabular;
mod tar;
#[cfg(test)]
mod testing;
pub mod transforms;
mod unpack;

pub use dataset::{Dataset, Pixels, Sample, Subset, TensorDataset};
use hadal_core::{Error, Result};
pub use image_folder::ImageFolder;
pub use image_set::ImageSet;
pub use loader::{Batch, Batches, LastBatch, Loader};
pub use mix::Mix;
pub use partition::{random_split, stratified_split};
pub use split::Split;
