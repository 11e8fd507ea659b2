//! Layers whose input size shows with the first input.

use crate::compat::{self, Defaults};
use crate::state::{UNSET, is_unset};
use hadal_core::compile::outside_trace;
use hadal_core::{Param, Tensor};
use std::sync::OnceLock;

/// Remembers that parameters wait for their size, and how they will be drawn.
#[derive(Debug)]
pub(crate) struct Lazy {
    outputs: usize,
    defaults: Defaults,
    done: OnceLock<()>,
}

impl Lazy {
    /// For a layer of so many outputs, with the defaults that hold where it is made.
    pub(crate) fn new(outputs: usize) -> Lazy {
        Lazy { outputs, defaults: compat::current(), done: OnceLock::new() }
    }

    /// A parameter without a size.
    pub(crate) fn param() -> Param {
        Param::new(Tensor::zeros(UNSET))
    }

    /// Calls `fill(defaults, outputs)` once, unless a checkpoint has given `param` its value before.
    pub(crate) fn fill(&self, param: &Param, fill: impl FnOnce(Defaults, usize)) {
        self.done.get_or_init(|| {
            // A function that is being compiled finds them made.
            outside_trace(|| {
                if is_unset(param) {
                    fill(self.defaults, self.outputs);
                }
            });
        });
    }
}
