//! The operators, one file a group, which begins with its table.

mod arithmetic;
mod attention;
mod cast;
mod compare;
mod constant;
mod control;
mod conv;
mod detection;
mod gather;
#[cfg(not(target_family = "wasm"))]
mod image;
mod language;
mod layout;
mod learning;
mod linear;
mod loss;
mod map;
mod microsoft;
mod ml;
mod norm;
mod pad;
mod pool;
mod quantize;
mod random;
mod recurrent;
mod reduce;
mod resample;
mod sequence;
mod signal;
mod text;
mod window;

use crate::registry::Operator;

/// The tables of the default domain.
pub(crate) const STANDARD: &[&[Operator]] = &[
    arithmetic::OPERATORS,
    attention::OPERATORS,
    cast::OPERATORS,
    compare::OPERATORS,
    constant::OPERATORS,
    control::OPERATORS,
    conv::OPERATORS,
    detection::OPERATORS,
    gather::OPERATORS,
    #[cfg(not(target_family = "wasm"))]
    image::OPERATORS,
    language::OPERATORS,
    layout::OPERATORS,
    linear::OPERATORS,
    loss::OPERATORS,
    map::OPERATORS,
    norm::OPERATORS,
    pad::OPERATORS,
    pool::OPERATORS,
    quantize::OPERATORS,
    random::OPERATORS,
    recurrent::OPERATORS,
    reduce::OPERATORS,
    resample::OPERATORS,
    sequence::OPERATORS,
    signal::OPERATORS,
    text::OPERATORS,
];

/// The tables of `com.microsoft`.
pub(crate) use microsoft::TABLES as MICROSOFT;

/// The tables of `ai.onnx.ml`.
pub(crate) use ml::TABLES as MACHINE_LEARNING;

/// The table of `ai.onnx.preview.training`.
pub(crate) const TRAINING: &[&[Operator]] = &[learning::OPERATORS];

/// Operators that are still being tried out: domain `ai.onnx.preview`.
pub(crate) const PREVIEW: &[&[Operator]] = &[attention::PREVIEW];

pub(crate) use learning::gradient;

/// What an operator's file needs.
mod prelude {
    pub(super) use crate::ElementType;
    pub(super) use crate::graph::Run;
    pub(super) use crate::inputs::{Inputs, moved};
    pub(super) use crate::node::Node;
    pub(super) use crate::registry::Prepare::{Map, Map2, Node as With};
    pub(super) use crate::registry::{Operator, op};
    pub(super) use crate::value::{Strings, Value, integers, shape_of, vector};
    pub(super) use hadal_core::{DType, Error, Result, Scalar, Shape, Tensor};

    /// What runs a node: a function of its inputs.
    pub(super) fn run(f: impl Fn(&Inputs) -> Result<Vec<Value>> + Send + Sync + 'static) -> Result<Run> {
        Ok(Box::new(f))
    }

    /// One output, whose element type is the tensor's own.
    pub(super) fn one(tensor: Tensor) -> Result<Vec<Value>> {
        Ok(vec![tensor.into()])
    }

    /// An error, as a sentence of its own.
    pub(super) fn invalid<T>(message: impl Into<String>) -> Result<T> {
        Err(Error::invalid(message))
    }

    /// An axis of `rank`, counted from the end when negative.
    pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize> {
        let resolved = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        match usize::try_from(resolved) {
            Ok(axis) if axis < rank => Ok(axis),
            _ => invalid(format!("axis {axis} does not exist in {rank} axes")),
        }
    }

    /// Axes of `rank`, counted from the end when negative, without repetitions.
    pub(super) fn axes_of(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
        let resolved = axes.iter().map(|&a| axis_of(a, rank)).collect::<Result<Vec<_>>>()?;
        match resolved.iter().enumerate().find(|(i, a)| resolved[..*i].contains(a)) {
            Some((_, axis)) => invalid(format!("axis {axis} is named twice in {axes:?}")),
            None => Ok(resolved),
        }
    }

    /// Numbers that count something.
    pub(super) fn sizes_of(sizes: &[i64]) -> Result<Vec<usize>> {
        Ok(shape_of(sizes)?.to_vec())
    }
}
