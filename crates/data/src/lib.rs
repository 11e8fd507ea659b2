//! Hadal's data: datasets, file readers, downloads, transforms and the loader.
//!
//! * [`digits`] is the data set that needs no download: the program draws it.

pub mod digits;
pub mod random;
