//! One file per command.

pub mod doctor;
pub mod evaluate;
pub mod export;
pub mod graph;
pub mod list;
pub mod predict;
pub mod summary;
pub mod train;
