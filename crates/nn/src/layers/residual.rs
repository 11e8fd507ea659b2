//! `Residual`: a block beside a shortcut (He et al., CVPR 2016, arXiv:1512.03385).

use super::Identity;
use crate::Layer;
use hadal_core::{DType, Module, Tensor};

/// `block(x) + shortcut(x)`.
///
/// ```
/// use hadal_core::Tensor;
/// use hadal_nn::{Layer, layers::{Conv2d, Relu, Residual}, seq};
/// let block = seq![Conv2d::new(16, 16, 3).padding(1), Relu, Conv2d::new(16, 16, 3).padding(1)];
/// let model = seq![Residual::new(block), Relu];
/// assert_eq!(*model.forward(&Tensor::zeros([2, 16, 8, 8])).shape(), [2, 16, 8, 8]);
/// ```
#[derive(Module)]
pub struct Residual<B: Module, S: Module = Identity> {
    /// What is learned.
    pub block: B,
    /// The way around it.
    pub shortcut: S,
}

impl<B: Layer> Residual<B> {
    /// Around this block goes the input itself.
    pub fn new(block: B) -> Residual<B> {
        Residual { block, shortcut: Identity::new() }
    }
}

impl<B: Layer, S: Layer> Residual<B, S> {
    /// Around the block goes another layer: a 1 × 1 convolution where the shape changes.
    pub fn shortcut<T: Layer>(self, shortcut: T) -> Residual<B, T> {
        Residual { block: self.block, shortcut }
    }
}

impl<B: Layer, S: Layer> Layer for Residual<B, S> {
    fn forward(&self, x: &Tensor) -> Tensor {
        self.block.forward(x).add(self.shortcut.forward(x))
    }

    fn input_dtype(&self) -> DType {
        self.block.input_dtype()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Linear, Relu};
    use crate::seq;
    use hadal_core::{ModuleExt, Param};

    #[test]
    fn adds_what_goes_around_and_names_both_ways() {
        let weight = |rows: [[f32; 2]; 2]| Linear::from_params(Param::new(Tensor::from(rows)), None);
        let model = Residual::new(seq![weight([[1.0, -1.0], [0.5, 2.0]]), Relu]);
        let x = Tensor::from([[3.0f32, -1.0]]);
        assert_eq!(model.forward(&x).to_vec::<f32>(), [7.0, -1.0]);
        let model = model.shortcut(weight([[0.0, 1.0], [1.0, 0.0]]));
        assert_eq!(model.forward(&x).to_vec::<f32>(), [3.0, 3.0]);
        let names: Vec<String> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["block.0.weight", "shortcut.weight"]);
    }
}
