//! `Sequential`: layers one after another.

use crate::Layer;
use hadal_core::{DType, Module, Param, Tag, Tensor, Visitor, attempt, visit_field, warn_once};

/// Layers applied one after another; their parameters are named `0.weight`, `0.bias`, `2.weight` …
///
/// ```
/// use hadal_core::{ModuleExt, Tensor};
/// use hadal_nn::{Layer, Sequential, layers::{Linear, Relu}};
/// let model = Sequential::new().add(Linear::new(784, 128)).add(Relu).add(Linear::new(128, 10));
/// assert_eq!(model.parameter_count(), 101_770);
/// assert_eq!(*model.forward(&Tensor::zeros([5, 784])).shape(), [5, 10]);
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<(String, Box<dyn Layer>)>,
}

impl Sequential {
    /// Without layers: returns its input.
    pub fn new() -> Sequential {
        Sequential::default()
    }

    /// Adds a layer at the end, named by its position.
    #[expect(clippy::should_implement_trait, reason = "adding a layer is not arithmetic")]
    pub fn add(self, layer: impl Layer + 'static) -> Sequential {
        let name = self.layers.len().to_string();
        self.named(name, layer)
    }

    /// Adds a layer at the end under a name of its own (`conv1.weight`).
    pub fn named(mut self, name: impl Into<String>, layer: impl Layer + 'static) -> Sequential {
        if is_linear(&layer) && self.layers.last().is_some_and(|(_, last)| is_linear(&**last)) {
            warn_once(
                "linear after linear",
                "two Linear layers with nothing between them are one linear map: \
                 put an activation between them (Relu, Gelu …)",
            );
        }
        self.layers.push((name.into(), Box::new(layer)));
        self
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there is no layer.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The layers in order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Layer> {
        self.layers.iter().map(|(_, layer)| &**layer)
    }
}

/// Whether this is a dense layer and nothing else.
fn is_linear(layer: &(impl Layer + ?Sized)) -> bool {
    let mut kinds = Kinds(Vec::new());
    layer.visit(&mut kinds);
    kinds.0 == ["Linear"]
}

/// The kinds of the layers within a module.
struct Kinds(Vec<&'static str>);

impl Visitor for Kinds {
    fn enter(&mut self, _: &str) {}
    fn leave(&mut self) {}
    fn param(&mut self, _: &Param) {}
    fn layer(&mut self, tag: &Tag) {
        self.0.push(tag.kind());
    }
}

impl Layer for Sequential {
    fn forward(&self, x: &Tensor) -> Tensor {
        passed_on(|| self.layers.iter().fold(x.clone(), |x, (_, layer)| layer.forward(&x)))
    }

    fn input_dtype(&self) -> DType {
        self.layers.first().map_or(DType::F32, |(_, layer)| layer.input_dtype())
    }
}

impl Module for Sequential {
    fn visit(&self, visitor: &mut dyn Visitor) {
        for (name, layer) in &self.layers {
            visit_field(name, layer, visitor);
        }
    }
}

impl Layer for Box<dyn Layer> {
    fn forward(&self, x: &Tensor) -> Tensor {
        passed_on(|| (**self).forward(x))
    }

    fn input_dtype(&self) -> DType {
        (**self).input_dtype()
    }
}

/// A call through a trait object forgets who called: a mistake found in `forward` is raised at this function's caller.
#[track_caller]
pub(crate) fn passed_on(forward: impl FnOnce() -> Tensor) -> Tensor {
    match attempt(forward) {
        Ok(output) => output,
        Err(error) => error.raise(),
    }
}

/// A [`Sequential`] of the layers listed: `seq![Linear::new(784, 128), Relu, Linear::new(128, 10)]`.
#[macro_export]
macro_rules! seq {
    ($($layer:expr),* $(,)?) => { $crate::Sequential::new()$(.add($layer))* };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Linear, Relu};
    use hadal_core::ModuleExt;

    #[test]
    fn names_are_positions_or_given() {
        let model = Sequential::new().add(Linear::new(2, 3)).add(Relu).named("head", Linear::new(3, 1));
        let names: Vec<String> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["0.weight", "0.bias", "head.weight", "head.bias"]);
    }

    #[test]
    fn two_linear_maps_in_a_row_are_warned_of() {
        let _ = seq![Linear::new(2, 3), Linear::new(3, 1)];
        assert!(!warn_once("linear after linear", ""), "the user was warned");
    }
}
