//! Constants: equations that read nothing else are computed once.

use super::graph::{Graph, ValueId, What};
use super::memo::Memo;
use super::rewrite::constants;
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
    fold(graph, |op, given| {
        let made = computed(op, given).ok()?;
        memo.came(&made, &format!("{op:?}"), given);
        Some(made)
    });
    let read: HashSet<ValueId> =
        graph.equations.iter().flat_map(|e| &e.inputs).chain(&graph.outputs).map(|o| o.value).collect();
    for (_, value) in graph.values.iter_mut().enumerate().filter(|(value, _)| !read.contains(value)) {
        value.constant = None;
    }
}

fn computed(op: &dyn Op, given: &[Option<Tensor>]) -> Result<Vec<Tensor>> {
    values(op, &given.iter().flatten().collect::<Vec<_>>()).map(|made| made.into_vec())
}

/// Gives every equation that reads constants alone to `compute`, whose results take its place.
fn fold(graph: &mut Graph, mut compute: impl FnMut(&dyn Op, &[Option<Tensor>]) -> Option<Vec<Tensor>>) {
    for at in 0..graph.equations.len() {
        let What::Op(op) = &graph.equations[at].what else { continue };
        let given = constants(graph, at);
        if given.is_empty() || given.iter().any(Option::is_none) {
            continue;
        }
        let Some(made) = compute(&**op, &given) else { continue };
        for (output, tensor) in std::mem::take(&mut graph.equations[at].outputs).into_iter().zip(made) {
            let value = &mut graph.values[output];
            (value.layout, value.bytes) = (tensor.layout().clone(), tensor.0.data.buffer.len());
            value.constant = Some(tensor.0.data.buffer.clone());
        }
    }
    graph.equations.retain(|equation| !matches!(equation.what, What::Op(_)) || !equation.outputs.is_empty());
}
