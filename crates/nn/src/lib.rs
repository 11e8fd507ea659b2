//! Hadal's layers, losses, initialisers, optimizers and schedules.

extern crate hadal_core as hadal;

pub mod optim;
mod power;
pub mod schedules;
