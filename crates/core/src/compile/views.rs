//! Views: `reshape`, `permute`, `narrow` and the like become layouts through which the equations after them read.

use super::graph::{Graph, Operand, ValueId, What};
use crate::tensor::Layout;
use std::collections::HashMap;

pub(crate) fn views(graph: &mut Graph) {
    // What a value is a view of, and how it lies there.
    let mut views: HashMap<ValueId, (ValueId, Layout)> = HashMap::new();
    let Graph { values, equations, outputs, .. } = graph;
    let resolve = |operand: &mut Operand, views: &HashMap<ValueId, (ValueId, Layout)>| match views.get(&operand.value) {
        Some((value, layout)) => (operand.value, operand.layout) = (*value, layout.clone()),
        None => operand.layout = values[operand.value].layout.clone(),
    };
    equations.retain_mut(|equation| {
        equation.inputs.iter_mut().for_each(|operand| resolve(operand, &views));
        let (What::Op(op), [input]) = (&equation.what, &equation.inputs[..]) else { return true };
        // What needs a copy stays an equation.
        let Some(layouts) = op.views(&input.layout) else { return true };
        for (&output, layout) in equation.outputs.iter().zip(layouts) {
            views.insert(output, (input.value, layout));
        }
        false
    });
    outputs.iter_mut().for_each(|operand| resolve(operand, &views));
}
