//! One file per command.

pub mod doctor;
pub mod evaluate;
pub mod list;
pub mod predict;
#[cfg(feature = "serve")]
pub mod serve;
pub mod summary;
pub mod train;
