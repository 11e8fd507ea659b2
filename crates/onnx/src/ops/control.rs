//! Branches and loops: nodes that run subgraphs.

use super::layout::join;
use super::prelude::*;
use crate::graph::Body;
use crate::{Dimension, Type};

pub(super) const OPERATORS: &[Operator] = &[
    op("If", 1, With(branch)),
    op("Loop", 1, With(loop_)),
    op("Scan", 8, With(scan_batches)),
    op("Scan", 9, With(scan)),
];

fn branch(node: &Node) -> Result<Run> {
    let (then, otherwise) = (node.body("then_branch")?, node.body("else_branch")?);
    run(move |x| if truth(x.value(0)?)? { then.run(vec![], x) } else { otherwise.run(vec![], x) })
}

fn truth(value: &Value) -> Result<bool> {
    match value {
        Value::Tensor(tensor, ElementType::Bool) if tensor.elements() == 1 => Ok(tensor.try_item::<bool>()?),
        other => invalid(format!("a condition must be one bool, got {}", other.describe())),
    }
}

/// The body gets the number of the turn, the condition, and the carried values; it returns the condition, the carried
/// values, and what is collected of every turn.
fn loop_(node: &Node) -> Result<Run> {
    let body = node.body("body")?;
    let carried = node.inputs().saturating_sub(2);
    if body.inputs() != carried + 2 || body.outputs() < carried + 1 {
        return Err(node.wrong("body", "has another number of inputs or outputs than the loop carries"));
    }
    run(move |x| {
        let turns = if x.has(0) { x.int(0)? } else { i64::MAX };
        let mut go_on = !x.has(1) || truth(x.value(1)?)?;
        let mut state = (0..carried).map(|i| x.value(i + 2).cloned()).collect::<Result<Vec<_>>>()?;
        let mut collected = vec![Vec::new(); body.outputs() - 1 - carried];
        let mut turn = 0;
        while go_on && turn < turns {
            let mut inputs = vec![Tensor::from(turn).into(), Tensor::from(go_on).into()];
            inputs.append(&mut state);
            let mut outputs = body.run(inputs, x)?.into_iter();
            go_on = truth(&outputs.next().expect("a body returns all its outputs"))?;
            state.extend(outputs.by_ref().take(carried));
            collected.iter_mut().zip(outputs).for_each(|(all, value)| all.push(value));
            turn += 1;
        }
        for (i, values) in collected.iter().enumerate() {
            state.push(stack(values, 0, &body, 1 + carried + i)?);
        }
        Ok(state)
    })
}

/// Values side by side along a new axis. Of no values at all, as the body's output is declared.
fn stack(values: &[Value], axis: i64, body: &Body, output: usize) -> Result<Value> {
    if !values.is_empty() {
        return join(values, |tensors| Tensor::try_stack(tensors, axis as isize));
    }
    let (element, shape) = match &body.graph.output_types[output] {
        Some(Type::Tensor { element, shape }) => (*element, shape.as_deref().unwrap_or_default()),
        _ => (ElementType::F32, &[][..]),
    };
    let size = |d: &Dimension| if let Dimension::Fixed(n) = d { *n } else { 0 };
    let shape: Vec<usize> = std::iter::once(0).chain(shape.iter().map(size)).collect();
    match element.storage() {
        Some(storage) => Ok(Value::Tensor(Tensor::zeros_with(shape, storage), element)),
        None => Ok(Strings::new(Vec::new(), shape)?.into()),
    }
}

/// What a scan does along which axis of each scanned input and output, and in which direction.
struct Scan {
    body: Body,
    state: usize,
    input_axes: Vec<i64>,
    output_axes: Vec<i64>,
    input_reversed: Vec<bool>,
    output_reversed: Vec<bool>,
}

impl Scan {
    fn new(node: &Node, first_input: usize, directions: [&str; 2]) -> Result<Scan> {
        let body = node.body("body")?;
        let scanned = node.required("num_scan_inputs", node.int("num_scan_inputs")?)?;
        let state = node.inputs() as i64 - first_input as i64 - scanned;
        if scanned < 1 || state < 0 || body.inputs() as i64 != state + scanned || (body.outputs() as i64) < state {
            return Err(node.wrong("body", "has another number of inputs or outputs than the scan"));
        }
        let (scanned, state) = (scanned as usize, state as usize);
        let collected = body.outputs() - state;
        let axes = |name: &str, count: usize| Ok::<_, Error>(node.ints(name)?.unwrap_or_else(|| vec![0; count]));
        let flags = |name: &str, count| Ok::<_, Error>(axes(name, count)?.iter().map(|&d| d != 0).collect::<Vec<_>>());
        let scan = Scan {
            input_axes: axes("scan_input_axes", scanned)?,
            output_axes: axes("scan_output_axes", collected)?,
            input_reversed: flags(directions[0], scanned)?,
            output_reversed: flags(directions[1], collected)?,
            body,
            state,
        };
        let counts = [scan.input_axes.len(), scan.input_reversed.len()] != [scanned; 2]
            || [scan.output_axes.len(), scan.output_reversed.len()] != [collected; 2];
        if counts { invalid("axes or directions are not as many as scanned values") } else { Ok(scan) }
    }

    fn run(&self, mut state: Vec<Value>, scanned: &[Value], x: &Inputs) -> Result<Vec<Value>> {
        let mut turns = None;
        for (value, &axis) in scanned.iter().zip(&self.input_axes) {
            let shape = value.shape().ok_or_else(|| Error::invalid("only tensors can be scanned"))?;
            let size = shape[axis_of(axis, shape.rank())?];
            if *turns.get_or_insert(size) != size {
                return invalid("the scanned inputs differ in length");
            }
        }
        let turns = turns.unwrap_or(0);
        let mut collected = vec![Vec::new(); self.output_axes.len()];
        for turn in 0..turns {
            let mut inputs = std::mem::take(&mut state);
            for (i, value) in scanned.iter().enumerate() {
                let at = if self.input_reversed[i] { turns - 1 - turn } else { turn };
                inputs.push(moved(value, |t| t.try_select(self.input_axes[i] as isize, at as isize))?);
            }
            let mut outputs = self.body.run(inputs, x)?.into_iter();
            state.extend(outputs.by_ref().take(self.state));
            collected.iter_mut().zip(outputs).for_each(|(all, value)| all.push(value));
        }
        for (i, mut values) in collected.into_iter().enumerate() {
            if self.output_reversed[i] {
                values.reverse();
            }
            state.push(stack(&values, self.output_axes[i], &self.body, self.state + i)?);
        }
        Ok(state)
    }
}

fn scan(node: &Node) -> Result<Run> {
    let scan = Scan::new(node, 0, ["scan_input_directions", "scan_output_directions"])?;
    run(move |x| {
        let mut values = (0..x.len()).map(|i| x.value(i).cloned()).collect::<Result<Vec<_>>>()?;
        let scanned = values.split_off(scan.state);
        scan.run(values, &scanned, x)
    })
}

/// Version 8: every value has a batch axis in front, and each sequence of the batch may have its own length.
fn scan_batches(node: &Node) -> Result<Run> {
    let scan = Scan::new(node, 1, ["directions", "scan_output_directions"])?;
    run(move |x| {
        let values = (1..x.len()).map(|i| x.value(i).cloned()).collect::<Result<Vec<_>>>()?;
        let batch = values.first().and_then(Value::shape).and_then(|s| s.first().copied());
        let batch = batch.ok_or_else(|| Error::invalid("the inputs need a batch axis"))?;
        let lengths = x.optional(0)?.map(integers).transpose()?;
        let mut samples = Vec::new();
        for sample in 0..batch {
            let one = values.iter().map(|v| moved(v, |t| t.try_select(0, sample as isize)));
            let mut one = one.collect::<Result<Vec<_>>>()?;
            let mut scanned = one.split_off(scan.state);
            if let Some(length) = lengths.as_ref().map(|l| l.get(sample).copied().unwrap_or(0).max(0) as usize) {
                for value in &mut scanned {
                    *value = moved(value, |t| t.try_narrow(0, 0, length))?;
                }
            }
            samples.push(scan.run(one, &scanned, x)?);
        }
        let outputs = scan.body.outputs();
        let output = |i: usize| samples.iter().map(|s| s[i].clone()).collect::<Vec<_>>();
        (0..outputs).map(|i| join(&output(i), |tensors| Tensor::try_stack(tensors, 0))).collect()
    })
}
