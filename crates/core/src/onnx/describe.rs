//! From a graph to nodes: every op is asked for its own.

use super::{Nodes, Origin, Value, Values, Writer};
use crate::compile::graph::{Equation, Graph, Operand, ValueId, What};
use crate::op::Op;
use crate::{Error, Meta, Param, Result};
use std::cell::RefCell;
use std::collections::HashMap;

/// The graph of an inference function (see [`Graph::of`]) as ONNX nodes.
///
/// # Errors
/// If the graph changes something outside of itself, or has ops that cannot be said in ONNX: all of them are named.
pub fn describe(graph: &Graph) -> Result<Nodes> {
    let all = RefCell::new(Nodes::default());
    let inputs: Values = {
        let mut all = all.borrow_mut();
        let metas = graph.inputs.iter().map(|&input| graph.values[input].meta.clone());
        metas.map(|meta| all.add(Origin::Input, Some(meta))).collect()
    };
    let outputs = append(&all, graph, &inputs)?;
    let mut nodes = all.into_inner();
    (nodes.inputs, nodes.outputs) = (inputs, outputs);
    nodes.tidy();
    Ok(nodes)
}

/// What is known of the values of a graph.
#[derive(Default)]
struct Known {
    values: HashMap<ValueId, Value>,
    /// Why there is no such value; nothing if that has been said.
    missing: HashMap<ValueId, Option<String>>,
}

/// Adds the nodes of a graph that reads `inputs`; its outputs.
pub(super) fn append(all: &RefCell<Nodes>, graph: &Graph, inputs: &[Value]) -> Result<Values> {
    let mut known = Known::default();
    known.values.extend(graph.inputs.iter().copied().zip(inputs.iter().copied()));
    let mut problems: Vec<String> = Vec::new();
    for equation in &graph.equations {
        match &equation.what {
            What::Load(param) => {
                let meta = graph.values[equation.outputs[0]].meta.clone();
                known.values.insert(equation.outputs[0], parameter(all, param, meta));
            }
            What::Op(op) => {
                let operands = equation.inputs.iter();
                let inputs: Option<Values> =
                    operands.map(|operand| value(all, graph, operand, &mut known, &mut problems)).collect();
                let made = inputs.map(|inputs| op_nodes(all, graph, equation, &**op, inputs));
                note(equation, op.name(), made, &mut known, &mut problems);
            }
            What::Store(_) | What::Effect(_) | What::Group(_) => {
                let message = format!(
                    "only what computes outputs can be written, and this function also changes something ({}): export \
                     inference, with the model in evaluation mode (.eval())",
                    equation.title()
                );
                return Err(Error::invalid(message));
            }
        }
    }
    let outputs: Vec<Option<Value>> =
        graph.outputs.iter().map(|output| value(all, graph, output, &mut known, &mut problems)).collect();
    match (&problems[..], outputs.into_iter().collect()) {
        ([], Some(outputs)) => Ok(outputs),
        _ => Err(Error::invalid(problems.join("\n  "))),
    }
}

/// Keeps what an op made, or why it made nothing; `made` is `None` if an input is missing already.
fn note(equation: &Equation, name: &str, made: Option<Result<Values>>, known: &mut Known, problems: &mut Vec<String>) {
    let place = equation.module.as_ref().map(|module| format!(" in {module}")).unwrap_or_default();
    let made = match made {
        Some(Ok(made)) => made,
        Some(Err(error)) => {
            report(problems, format!("{name}{place}: {error}"));
            known.missing.extend(equation.outputs.iter().map(|&output| (output, None)));
            return;
        }
        None => return known.missing.extend(equation.outputs.iter().map(|&output| (output, None))),
    };
    for (i, &output) in equation.outputs.iter().enumerate() {
        match made.get(i) {
            Some(&made) => {
                known.values.insert(output, made);
            }
            None => {
                known.missing.insert(output, Some(format!("{name}{place}: its result {i} has no form in ONNX")));
            }
        }
    }
}

fn report(problems: &mut Vec<String>, line: String) {
    if !problems.contains(&line) {
        problems.push(line);
    }
}

/// The value of a parameter, which is one however often it is read.
fn parameter(all: &RefCell<Nodes>, param: &Param, meta: Meta) -> Value {
    let mut all = all.borrow_mut();
    let same = |origin: &Origin| matches!(origin, Origin::Parameter(other) if other.is_same(param));
    match all.values.iter().position(|(origin, _)| same(origin)) {
        Some(at) => Value(at),
        None => all.add(Origin::Parameter(param.clone()), Some(meta)),
    }
}

/// The value that an operand reads, if there is one.
fn value(
    all: &RefCell<Nodes>,
    graph: &Graph,
    operand: &Operand,
    known: &mut Known,
    problems: &mut Vec<String>,
) -> Option<Value> {
    if let Some(why) = known.missing.get_mut(&operand.value) {
        why.take().into_iter().for_each(|line| report(problems, line));
        return None;
    }
    let add = || {
        let constant = graph.values[operand.value].constant.clone().expect("what nothing makes is a constant");
        all.borrow_mut().add(Origin::Constant(operand.tensor(constant)), Some(operand.meta()))
    };
    Some(*known.values.entry(operand.value).or_insert_with(add))
}

fn op_nodes(all: &RefCell<Nodes>, graph: &Graph, equation: &Equation, op: &dyn Op, inputs: Values) -> Result<Values> {
    let metas = equation.inputs.iter().map(Operand::meta).collect();
    let outputs: Vec<_> = equation.outputs.iter().map(|&v| graph.values[v].meta.clone()).collect();
    let writer = Writer { all, inputs, metas, outputs, module: equation.module.clone() };
    let made = op.onnx(&writer)?;
    made.iter().zip(&writer.outputs).for_each(|(&made, meta)| writer.know(made, meta.clone()));
    Ok(made)
}
