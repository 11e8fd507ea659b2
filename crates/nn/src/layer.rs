//! `Layer`: a module with one input and one output.

use hadal_core::{DType, Mode, Module, ModuleExt, Param, Shape, Tag, Tensor, Visitor, attempt, no_grad};

/// A module that maps one tensor to one tensor: what [`Sequential`](crate::Sequential) chains.
///
/// ```
/// use hadal_core::{Module, Tensor};
/// use hadal_nn::{Layer, layers::Linear};
/// extern crate hadal_core as hadal;
///
/// #[derive(Module)]
/// struct Mlp {
///     fc1: Linear,
///     fc2: Linear,
/// }
///
/// impl Layer for Mlp {
///     fn forward(&self, x: &Tensor) -> Tensor {
///         self.fc2.forward(&self.fc1.forward(x).relu())
///     }
/// }
///
/// let model = Mlp { fc1: Linear::new(4, 8), fc2: Linear::new(8, 2) };
/// assert_eq!(*model.forward(&Tensor::zeros([3, 4])).shape(), [3, 2]);
/// ```
pub trait Layer: Module + Send + Sync {
    /// The layer's output for `x`.
    #[track_caller]
    fn forward(&self, x: &Tensor) -> Tensor;

    /// Runs once on zeros of this shape (batch axis included), so that lazy layers learn their sizes; returns the
    /// output's shape. Running statistics and gradients are left alone.
    #[track_caller]
    fn build(&self, shape: &[usize]) -> Shape {
        let run = || self.forward(&Tensor::zeros_with(shape, self.input_dtype())).shape().clone();
        match evaluating(self, || attempt(run)) {
            Ok(shape) => shape,
            Err(error) => error.raise(),
        }
    }

    /// The type of the elements that the layer takes: `f32`, or `i64` for an embedding.
    fn input_dtype(&self) -> DType {
        DType::F32
    }
}

/// Runs `f` with the module in evaluation mode and without recording, then restores the modes.
pub fn evaluating<M: Module + ?Sized, R>(module: &M, f: impl FnOnce() -> R) -> R {
    let mut before = Modes(Vec::new());
    module.visit(&mut before);
    module.eval();
    let result = no_grad(f);
    before.0.reverse();
    module.visit(&mut Restore(before.0));
    result
}

/// The modes in visiting order.
struct Modes(Vec<bool>);

impl Visitor for Modes {
    fn enter(&mut self, _: &str) {}
    fn leave(&mut self) {}
    fn param(&mut self, _: &Param) {}
    fn mode(&mut self, mode: &Mode) {
        self.0.push(mode.is_training());
    }
}

/// Gives the modes back, last first.
struct Restore(Vec<bool>);

impl Visitor for Restore {
    fn enter(&mut self, _: &str) {}
    fn leave(&mut self) {}
    fn param(&mut self, _: &Param) {}
    fn layer(&mut self, _: &Tag) {}
    fn mode(&mut self, mode: &Mode) {
        mode.set_training(self.0.pop().unwrap_or(true));
    }
}
