//! Hadal's layers, losses, initialisers, optimizers and schedules.

extern crate hadal_core as hadal;

pub mod compat;
pub mod init;
mod layer;
pub mod layers;
pub mod losses;
pub mod optim;
mod power;
pub mod schedules;
mod sequential;
mod state;
mod summary;

pub use layer::{Layer, evaluating};
pub use sequential::Sequential;
pub use state::{Loaded, StateDict, Strictness, load_state_dict, state_dict};
pub use summary::{Amount, Row, Summary, summary};
