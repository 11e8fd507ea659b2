//! Hadal: a deep learning framework.
//!
//! ```
//! use hadal::prelude::*;
//!
//! manual_seed(0);
//! let model = Sequential::new().add(Linear::new(2, 16)).add(Tanh).add(Linear::new(16, 2));
//! let optimizer = Adam::new(0.05).optimize(model.parameters());
//! let x = Tensor::from([[0.0f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
//! let y = Tensor::from([0i64, 1, 1, 0]);
//! for _ in 0..100 {
//!     let loss = cross_entropy(&model.forward(&x), &y);
//!     optimizer.step(&loss.backward()).unwrap();
//! }
//! assert_eq!(model.forward(&x).argmax(1).to_vec::<i64>(), [0, 1, 1, 0]);
//! ```
//!
//! | crate | what |
//! |---|---|
//! | [`core`](hadal_core) | tensors, operations, automatic differentiation, files |
//! | [`nn`] | layers, losses, optimizers, schedules |
//! | [`data`] | data sets, transforms, the loader |
//! | [`train`] | `compile`, `fit`, `evaluate`, callbacks, metrics |
//! | [`models`] | architectures by name |
//! | [`onnx`] | ONNX models, in and out |
//! | [`Trained`] | a model file of the `hadal` command, ready to predict |
//! | [`Predictor`] | the same or an ONNX file, compiled, with what it takes and gives |

mod compression;
pub mod elements;
mod predictor;
mod trained;

pub use compression::Compression;
pub use hadal_core::*;
pub use hadal_data as data;
pub use hadal_kernels as kernels;
pub use hadal_kernels::threads::{set_threads, threads};
pub use hadal_models as models;
pub use hadal_nn as nn;
pub use hadal_onnx as onnx;
pub use hadal_train as train;
pub use predictor::{Execution, Port, Predictor};
pub use trained::Trained;

/// What programs import: `use hadal::prelude::*;`.
pub mod prelude {
    pub use crate::random::manual_seed;
    pub use crate::{
        DType, Error, Gradients, Keep, Mode, Module, ModuleExt, Param, Result, Shape, Tag, Tensor, compile, grad,
        no_grad,
    };
    pub use hadal_data::Batch;
    pub use hadal_nn::layers::*;
    pub use hadal_nn::losses::*;
    pub use hadal_nn::optim::*;
    pub use hadal_nn::{Layer, Sequential, load_state_dict, state_dict, summary};
    pub use hadal_train::callbacks::*;
    pub use hadal_train::metrics::*;
    pub use hadal_train::{Clip, Compile, Fit, History, Trainer};
}

/// The documents' snippets, compiled and run as documentation tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../docs/tour.md")]
    mod tour {}
    #[doc = include_str!("../../../docs/numerics.md")]
    mod numerics {}
    #[doc = include_str!("../../../docs/migrating-from-pytorch.md")]
    mod migrating_from_pytorch {}
    #[doc = include_str!("../../../docs/migrating-from-keras.md")]
    mod migrating_from_keras {}
    #[doc = include_str!("../../../docs/compile.md")]
    mod compile {}
    #[doc = include_str!("../../../docs/compress.md")]
    mod compress {}
    #[doc = include_str!("../../../docs/profiling.md")]
    mod profiling {}
    #[doc = include_str!("../../../README.md")]
    mod readme {}
}
