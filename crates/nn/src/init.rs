//! Initialisers: how a parameter's first value is drawn.
//!
//! Formulas are PyTorch's (`torch.nn.init`). Every draw takes the next stream of the default generator, so a program's
//! weights depend on [`hadal_core::random::manual_seed`] and on the order in which layers are made, and on nothing else.
//!
//! ```
//! use hadal_nn::{init::{self, Initialiser}, layers::Linear};
//! let layer = Linear::new(784, 128);
//! init::xavier_uniform().fill(&layer.weight);
//! init::Constant(0.1).fill(layer.bias.as_ref().unwrap());
//! ```

mod constant;
mod dirac;
mod fans;
mod gain;
mod normal;
mod orthogonal;
#[cfg(test)]
mod recorded;
mod sparse;
mod truncated_normal;
mod uniform;
mod variance_scaling;

pub use constant::{Constant, Eye, ones, zeros};
pub use dirac::Dirac;
pub use fans::Fans;
pub use gain::Nonlinearity;
pub use normal::Normal;
pub use orthogonal::Orthogonal;
pub use sparse::Sparse;
pub use truncated_normal::TruncatedNormal;
pub use uniform::Uniform;
pub use variance_scaling::{
    Distribution, Fan, VarianceScaling, kaiming_normal, kaiming_uniform, lecun_normal, lecun_uniform, xavier_normal,
    xavier_uniform,
};

use hadal_core::{Param, Shape, Tensor, no_grad};
use std::fmt::Debug;

/// A way to draw a parameter's first value.
pub trait Initialiser: Debug + Send + Sync {
    /// A value of this shape, as `f32`.
    fn draw(&self, shape: &Shape) -> Tensor;

    /// Gives the parameter a new value of its present shape and type.
    fn fill(&self, param: &Param) {
        let old = param.get();
        param.replace(&no_grad(|| self.draw(old.shape()).to_dtype(old.dtype())));
    }
}
