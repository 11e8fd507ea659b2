//! Hadal's heart: tensors, operations and automatic differentiation.
//!
//! A tensor's way through the code: a method in `ops/` makes an [`op::Op`] and passes it to
//! [`op::apply`], which infers the result's shape, runs the kernel, and leaves a node on the tape
//! (module [`grad`](mod@grad)); `backward` walks the nodes back and calls each op's gradient rule, which is written in
//! tensor operations again.

extern crate self as hadal;

mod attempt;
pub mod check;
mod checkpoint;
pub mod compile;
mod custom_gradient;
mod error;
pub mod format;
mod functional;
pub mod grad;
mod gradients;
mod module;
pub mod onnx;
pub mod op;
pub mod ops;
mod param;
pub mod profile;
pub mod random;
pub mod run;
pub mod scope;
mod sparse;
mod suggest;
mod tag;
mod tensor;
pub mod testing;
mod warn;

pub use attempt::attempt;
pub use check::detect_anomaly;
pub use checkpoint::checkpoint;
pub use compile::{Compiled, compile};
pub use custom_gradient::custom_gradient;
pub use error::{Error, Result};
pub use functional::{hessian, hvp, jacobian, jvp, vjp};
pub use grad::{Keep, enable_grad, grad, no_grad, partial_grad};
pub use gradients::Gradients;
pub use hadal_derive::{Module, fallible};
pub use hadal_kernels::pool::Divisor;
pub use half;
pub use module::{Mode, Module, ModuleExt, Visitor, visit_field};
pub use ops::attention::scaled_dot_product_attention::Attention;
pub use ops::conv::convolution::{Convolution, Padding};
pub use ops::fourier::stft::Frames;
pub use ops::fourier::window::Window;
pub use ops::index::scatter_reduce::Combine;
pub use ops::index::searchsorted::Side;
pub use ops::index::unique::Unique;
pub use ops::linalg::matrix_norm::MatrixNorm;
pub use ops::loss::cross_entropy::{CrossEntropyOptions, Reduction};
pub use ops::loss::ctc::CtcOptions;
pub use ops::pool::grid_sample::{Corners, GridSample, Outside};
pub use ops::pool::interpolate::{Interpolation, Resize};
pub use ops::pool::pooling::Pooling;
pub use ops::recurrent::recurrence::Walk;
pub use ops::reduce::quantile::QuantileMethod;
pub use ops::shape::meshgrid::Indexing;
pub use ops::shape::pad::Border;
pub use ops::sort::argsort::Order;
pub use param::{Param, Role};
pub use profile::{Profile, profile};
pub use run::bytes::{ByteResult, ByteWeight, SignedBytes};
pub use run::dense::Triangle;
pub use sparse::Sparse;
pub use suggest::closest;
pub use tag::{ForwardHook, Parametrization, Tag};
pub use tensor::{
    Axes, Bits, Buffer, By, Category, DType, Device, Element, Ellipsis, Index, Layout, Meta, NewAxis, Operand, Scalar,
    Shape, Strides, Tensor,
};
pub use warn::{warn_once, warnings};
