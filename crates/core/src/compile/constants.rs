//! Constants: equations that read nothing else are computed once.

use super::graph::{Graph, ValueId, What};
use super::memo::Memo;
use super::rewrite::constants;
use super::simplify::drop_unread;
use crate::Result;
use crate::op::{Op, values};
use crate::tensor::Tensor;
use std::collections::HashSet;

/// Computes constants that are kept for the graphs of other shapes.
pub(super) fn fold_constants(graph: &mut Graph, memo: &mut Memo) {
    fold(graph, |op, given| memo.of(&format!("{op:?}"), given, || computed(op, given)).ok());
}

/// Computes constants of which only what is made of them is kept: weights that were scaled. The memory of what nothing reads
/// any more is free for the next ones.
pub(super) fn settle(graph: &mut Graph, memo: &mut Memo) {
    fold(graph, |op, given| made(op, given, memo));
    forget_unread(graph);
}

/// Computes the constants that runs read as they are, once for the graphs of all shapes.
pub(super) fn keep_rest(graph: &mut Graph, memo: &mut Memo) {
    drop_unread(graph);
    // What stood in for weights is gone, and others may lie where it was.
    memo.begin();
    fold_constants(graph, memo);
    forget_unread(graph);
}

/// Lets go of constants that nothing reads.
fn forget_unread(graph: &mut Graph) {
    let read: HashSet<ValueId> =
        graph.equations.iter().flat_map(|e| &e.inputs).chain(&graph.outputs).map(|o| o.value).collect();
    for (_, value) in graph.values.iter_mut().enumerate().filter(|(value, _)| !read.contains(value)) {
        value.constant = None;
    }
}

/// Settles one equation, which then makes nothing any more. What is known of its result is known by what it came from.
pub(super) fn settle_one(graph: &mut Graph, at: usize, memo: &mut Memo) {
    fold_one(graph, at, &mut |op, given| made(op, given, memo));
}

fn made(op: &dyn Op, given: &[Option<Tensor>], memo: &mut Memo) -> Option<Vec<Tensor>> {
    let made = computed(op, given).ok()?;
    memo.came(&made, &format!("{op:?}"), given);
    Some(made)
}

fn computed(op: &dyn Op, given: &[Option<Tensor>]) -> Result<Vec<Tensor>> {
    values(op, &given.iter().flatten().collect::<Vec<_>>()).map(|made| made.into_vec())
}

/// Results of an equation, or none if it is to stay.
type Compute<'a> = &'a mut dyn FnMut(&dyn Op, &[Option<Tensor>]) -> Option<Vec<Tensor>>;

/// Gives every equation that reads constants alone to `compute`, whose results take its place.
fn fold(graph: &mut Graph, mut compute: impl FnMut(&dyn Op, &[Option<Tensor>]) -> Option<Vec<Tensor>>) {
    (0..graph.equations.len()).for_each(|at| fold_one(graph, at, &mut compute));
    graph.equations.retain(|equation| !matches!(equation.what, What::Op(_)) || !equation.outputs.is_empty());
}

fn fold_one(graph: &mut Graph, at: usize, compute: Compute) {
    let What::Op(op) = &graph.equations[at].what else { return };
    let given = constants(graph, at);
    if given.is_empty() || given.iter().any(Option::is_none) {
        return;
    }
    let Some(made) = compute(&**op, &given) else { return };
    for (output, tensor) in std::mem::take(&mut graph.equations[at].outputs).into_iter().zip(made) {
        let value = &mut graph.values[output];
        (value.layout, value.bytes) = (tensor.layout().clone(), tensor.0.data.buffer.len());
        value.constant = Some(tensor.0.data.buffer.clone());
    }
}
