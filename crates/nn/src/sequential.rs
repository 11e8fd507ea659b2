//! `Sequential`: layers one after another.

use crate::Layer;
use hadal_core::{DType, Module, Tensor, Visitor, visit_field};

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

impl Layer for Sequential {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.layers.iter().fold(x.clone(), |x, (_, layer)| layer.forward(&x))
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
        (**self).forward(x)
    }

    fn input_dtype(&self) -> DType {
        (**self).input_dtype()
    }
}

/// A [`Sequential`] of the layers listed: `seq![Linear::new(784, 128), Relu, Linear::new(128, 10)]`.
#[macro_export]
macro_rules! seq {
    ($($layer:expr),* $(,)?) => { $crate::Sequential::new()$(.add($layer))* };
}
