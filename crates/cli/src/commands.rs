//! One file per command.

pub mod compress;
pub mod doctor;
pub mod evaluate;
pub mod export;
pub mod graph;
pub mod list;
pub mod predict;
#[cfg(feature = "serve")]
pub mod serve;
pub mod summary;
pub mod train;
