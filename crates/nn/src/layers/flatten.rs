//! `Flatten` and `Unflatten`: axes joined and split.

use crate::Layer;
use hadal_core::{Module, Tag, Tensor};

/// All axes after the batch joined into one: `[batch, …]` to `[batch, features]`.
#[derive(Debug, Module)]
pub struct Flatten {
    start: isize,
    end: isize,
    tag: Tag,
}

impl Flatten {
    /// Axes 1 to the last.
    pub const fn new() -> Flatten {
        Flatten::range(1, -1)
    }

    /// Axes `start` to `end`, both included.
    pub const fn range(start: isize, end: isize) -> Flatten {
        Flatten { start, end, tag: Tag::new("Flatten") }
    }
}

impl Default for Flatten {
    fn default() -> Flatten {
        Flatten::new()
    }
}

impl Layer for Flatten {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.tag.call(x, || x.try_flatten(self.start, self.end))
    }
}
