//! `Identity`: returns its input; stands where a layer may be left out.

use crate::Layer;
use hadal_core::{Module, Tag, Tensor};

/// Returns its input.
#[derive(Debug, Module)]
pub struct Identity {
    tag: Tag,
}

impl Identity {
    /// The layer.
    pub const fn new() -> Identity {
        Identity { tag: Tag::new("Identity") }
    }
}

impl Default for Identity {
    fn default() -> Identity {
        Identity::new()
    }
}

impl Layer for Identity {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || Ok(x.clone()))
    }
}
