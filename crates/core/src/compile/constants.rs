//! Constants: equations that read nothing else are computed once.

use super::graph::{Graph, What};
use super::memo::Memo;
use super::rewrite::constants;
use crate::op::values;
use crate::tensor::Tensor;

pub(super) fn fold_constants(graph: &mut Graph, memo: &mut Memo) {
    for at in 0..graph.equations.len() {
        let What::Op(op) = &graph.equations[at].what else { continue };
        let given = constants(graph, at);
        let inputs: Vec<&Tensor> = given.iter().flatten().collect();
        if inputs.is_empty() || inputs.len() < given.len() {
            continue;
        }
        let compute = || values(&**op, &inputs).map(|made| made.into_vec());
        let Ok(made) = memo.of(&format!("{op:?}"), &given, compute) else { continue };
        for (output, tensor) in std::mem::take(&mut graph.equations[at].outputs).into_iter().zip(made) {
            let value = &mut graph.values[output];
            (value.layout, value.bytes) = (tensor.layout().clone(), tensor.0.data.buffer.len());
            value.constant = Some(tensor.0.data.buffer.clone());
        }
    }
    graph.equations.retain(|equation| !matches!(equation.what, What::Op(_)) || !equation.outputs.is_empty());
}
