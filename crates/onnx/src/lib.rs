//! ONNX models in Hadal: loaded at run time, without code generation; and Hadal models written as ONNX ([`Export`]).
//!
//! ```no_run
//! use hadal_onnx::{Model, Value};
//! # fn main() -> hadal_core::Result<()> {
//! let model = Model::load("model.onnx")?;
//! let image = hadal_core::Tensor::zeros([1, 3, 224, 224]);
//! let outputs = hadal_core::no_grad(|| model.run(&[("image", image.into())]))?;
//! # Ok(())
//! # }
//! ```
//!
//! # The way of a model
//! `wire` declares the messages of the file. `load` turns them into a `graph`: names become numbered places, attributes
//! are parsed, constants decoded, functions put in where they are called; all that is missing or wrong is reported
//! there. Running a graph then only calls one closure per node. These closures call the public operations of
//! [`Tensor`](hadal_core::Tensor), so that gradients flow through imported models as through any other.
//!
//! # Adding an operator
//! 1. Find the file of its group in `ops/` (or write a new one and name it in `ops.rs`), and add a line to its table:
//!    the operator's name, the first version from which the line holds, and how it is prepared.
//!    - `Map(f)` and `Map2(f)` for functions of one or two tensors without attributes;
//!    - `With(prepare)` for all others: `prepare` gets the `Node`, reads its attributes (`node.int_or`,
//!      `node.floats`, `node.choice`, …), and returns `run(move |x| …)`, a closure from `Inputs` to the
//!      outputs. Everything that can be checked without the inputs is checked in `prepare`.
//!
//!    If later versions of an operator differ, give it several lines with the same name.
//! 2. In the closure, `x.tensor(i)` is an input tensor, `x.typed(i)` the same with its ONNX element type, `x.optional(i)`
//!    one that may be left out, `x.ints(i)` the elements of an integer tensor. Use the `try_` forms of operations.
//! 3. Return `one(tensor)` if the output's element type is the tensor's own (bool from comparisons, i64 indices);
//!    `x.like(i, &tensor)` if it is that of input `i`: results then wrap as 16-bit integers do, and promoted types come
//!    back; `x.moved(i, f)` if elements are only moved, which then also works for strings.
//! 4. Sizes that come from data pass through `shape_of` and axes through `axis_of`, so that a hostile number is an
//!    error. Unsigned 64-bit numbers live in `i64`; where their order matters, `ordered` makes it right.
//! 5. Run the conformance example over the operator's cases.

mod compiled;
mod decode;
mod element;
mod export;
mod external;
mod graph;
mod inputs;
mod load;
mod model;
mod node;
mod ops;
mod regex;
mod registry;
mod small_float;
#[cfg(test)]
mod testing;
mod types;
mod value;
mod wire;

pub use compiled::CompiledModel;
pub use element::ElementType;
pub use export::Export;
pub use model::Model;
pub use registry::{Supported, operators};
pub use types::{Dimension, Port, Type};
pub use value::{Map, Strings, Value};
