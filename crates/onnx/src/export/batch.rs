//! An open batch size: what of a graph depends on it is found by tracing with several sizes.
//!
//! Sizes that grow with the batch (`a·batch + b`) are computed when the model runs, from the shape of its first input;
//! constants of one number take the shape that they need. Anything else that differs is refused.

use super::fail;
use hadal_core::onnx::{Node, Nodes, Origin, Value};
use hadal_core::{DType, Meta, Result, Tensor};
use std::collections::HashMap;

/// The sizes that are tried: no layer has them for other reasons.
const SIZES: [usize; 3] = [17, 23, 31];

/// `slope·batch + rest`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Size {
    pub slope: i64,
    pub rest: i64,
}

/// How a constant follows the batch size.
#[derive(Debug)]
pub(super) enum Follows {
    /// A vector of `i64`, element by element.
    Integers(Vec<Size>),
    /// A number, the same everywhere, in a shape.
    Filled(Tensor, Vec<Size>),
}

/// What depends on the batch size.
pub(super) struct Batch {
    /// None if the size is fixed.
    pub open: bool,
    pub constants: HashMap<Value, Follows>,
    /// The shapes of the outputs.
    pub outputs: Vec<Vec<Size>>,
}

impl Batch {
    pub fn fixed() -> Batch {
        Batch { open: false, constants: HashMap::new(), outputs: Vec::new() }
    }

    /// The nodes for a batch of the first of [`SIZES`], and what in them depends on that.
    pub fn of(metas: &[Meta], trace: &dyn Fn(&[Meta]) -> Result<Nodes>) -> Result<(Nodes, Batch)> {
        if metas.first().is_none_or(|meta| meta.shape.rank() == 0) {
            return Err(fail("a dynamic batch needs a first input with a batch axis".into()));
        }
        let with = |size: usize| {
            let resized = metas.iter().map(|meta| {
                let mut shape = meta.shape.clone();
                shape.sizes_mut().iter_mut().take(1).for_each(|n| *n = size);
                meta.with_shape(shape)
            });
            trace(&resized.collect::<Vec<_>>())
        };
        let traces = [with(SIZES[0])?, with(SIZES[1])?, with(SIZES[2])?];
        same_nodes(&traces)?;
        let mut constants = HashMap::new();
        for value in traces[0].givens() {
            let tensors = traces.each_ref().map(|nodes| match &nodes.values[value.0].0 {
                Origin::Constant(tensor) => Some(tensor),
                _ => None,
            });
            let [Some(a), Some(b), Some(c)] = tensors else { continue };
            if equal(a, b) && equal(a, c) {
                continue;
            }
            let follows = follows([a, b, c]).ok_or_else(|| refused(&traces[0], value))?;
            constants.insert(value, follows);
        }
        let shape = |nodes: &Nodes, i: usize| {
            let meta = nodes.meta(nodes.outputs[i]).expect("the outputs of ops have shapes");
            meta.shape.iter().map(|&n| n as i64).collect::<Vec<_>>()
        };
        let outputs = (0..traces[0].outputs.len())
            .map(|i| linear(traces.each_ref().map(|nodes| shape(nodes, i))))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| fail("the shape of an output depends on the batch size in an unknown way".into()))?;
        let [nodes, ..] = traces;
        Ok((nodes, Batch { open: true, constants, outputs }))
    }
}

fn described(node: &Node) -> String {
    match &node.module {
        Some(module) => format!("{} in {module}", node.operator),
        None => node.operator.to_owned(),
    }
}

/// The traces must differ in nothing but constants.
fn same_nodes(traces: &[Nodes; 3]) -> Result<()> {
    let [first, others @ ..] = traces;
    for other in others {
        if let Some((a, _)) = first.nodes.iter().zip(&other.nodes).find(|(a, b)| a != b) {
            let message = format!(
                "the batch size cannot be left open: it decides how {} works. Export with a fixed size",
                described(a)
            );
            return Err(fail(message));
        }
        if first.nodes.len() != other.nodes.len() || first.outputs != other.outputs {
            let (a, b) = (first.nodes.len(), other.nodes.len());
            let message = format!(
                "the batch size cannot be left open: the model has {a} nodes with one size and {b} with another. Export with \
                 a fixed size"
            );
            return Err(fail(message));
        }
    }
    Ok(())
}

fn equal(a: &Tensor, b: &Tensor) -> bool {
    a.dtype() == b.dtype() && a.shape() == b.shape() && a.to_bytes() == b.to_bytes()
}

fn follows(tensors: [&Tensor; 3]) -> Option<Follows> {
    let [first, ..] = tensors;
    if tensors.iter().any(|t| t.dtype() != first.dtype() || t.rank() != first.rank()) {
        return None;
    }
    if tensors.iter().all(|t| t.shape() == first.shape()) {
        let vector = first.dtype() == DType::I64 && first.rank() == 1;
        return vector.then(|| linear(tensors.map(|t| t.to_vec::<i64>())))?.map(Follows::Integers);
    }
    let number = |t: &Tensor| t.ravel().narrow(0, 0, 1).reshape(());
    let filled = |t: &&Tensor| t.elements() > 0 && equal(&number(first).expand(t.shape()), t);
    if !tensors.iter().all(filled) {
        return None;
    }
    let shape = linear(tensors.map(|t| t.shape().iter().map(|&n| n as i64).collect()))?;
    Some(Follows::Filled(number(first), shape))
}

/// The numbers as functions of the batch size, if they are.
fn linear(numbers: [Vec<i64>; 3]) -> Option<Vec<Size>> {
    let [a, b, c] = &numbers;
    let [m, n, o] = SIZES.map(|size| size as i64);
    if a.len() != b.len() || a.len() != c.len() {
        return None;
    }
    let size = |((&a, &b), &c): ((&i64, &i64), &i64)| {
        let rise = b.checked_sub(a)?;
        let slope = rise / (n - m);
        let rest = a.checked_sub(slope.checked_mul(m)?)?;
        (slope * n + rest == b && slope * o + rest == c).then_some(Size { slope, rest })
    };
    a.iter().zip(b).zip(c).map(size).collect()
}

fn refused(nodes: &Nodes, value: Value) -> hadal_core::Error {
    let reader = nodes.nodes.iter().find(|node| node.inputs.contains(&value)).map_or("an output".into(), described);
    fail(format!(
        "the batch size cannot be left open: {reader} uses numbers that depend on it. Export with a fixed size"
    ))
}
