//! Layers whose weight may be computed from other parameters.

use crate::Layer;
use crate::state::is_unset;
use hadal_core::{Error, Mode, Param, Result, Tag, Tensor, Visitor};

/// A layer with one weight, which it can also take from outside: what weight and spectral normalization wrap.
pub trait Weighted: Layer {
    /// The layer's own weight.
    fn weight(&self) -> &Param;

    /// The axis of the weight that counts outputs.
    fn output_axis(&self) -> usize;

    /// The layer's name and hooks.
    fn tag(&self) -> &Tag;

    /// The output for `x` with another weight of the same shape.
    fn with_weight(&self, weight: &Tensor, x: &Tensor) -> Result<Tensor>;
}

/// The weight that a wrapper starts from. A lazy layer has none before its first input.
#[track_caller]
pub(super) fn first_weight(layer: &impl Weighted) -> Tensor {
    if is_unset(layer.weight()) {
        let message = "has no weight before its first input; call build(&[1, …]) on it before it is wrapped";
        Error::op(layer.tag().kind(), message).raise();
    }
    layer.weight().get()
}

/// Visits a layer as if it had no weight of its own.
pub(super) fn visit_without_weight(layer: &impl Weighted, visitor: &mut dyn Visitor) {
    layer.visit(&mut Without { hidden: layer.weight().key(), visitor });
}

struct Without<'a> {
    hidden: usize,
    visitor: &'a mut dyn Visitor,
}

impl Visitor for Without<'_> {
    fn enter(&mut self, name: &str) {
        self.visitor.enter(name);
    }

    fn leave(&mut self) {
        self.visitor.leave();
    }

    fn param(&mut self, param: &Param) {
        if param.key() != self.hidden {
            self.visitor.param(param);
        }
    }

    fn mode(&mut self, mode: &Mode) {
        self.visitor.mode(mode);
    }

    fn layer(&mut self, tag: &Tag) {
        self.visitor.layer(tag);
    }
}

#[cfg(test)]
mod tests {
    use crate::Layer;
    use crate::layers::{Linear, WeightNorm};

    #[test]
    fn a_lazy_layer_is_built_before_it_is_wrapped() {
        let message = std::panic::catch_unwind(|| WeightNorm::new(Linear::lazy(2))).unwrap_err();
        let expected = "Linear has no weight before its first input; call build(&[1, …]) on it before it is wrapped";
        assert_eq!(*message.downcast::<String>().unwrap(), expected);
        let layer = Linear::lazy(2);
        layer.build(&[1, 3]);
        assert_eq!(WeightNorm::new(layer).build(&[5, 3]), [5, 2]);
    }
}
