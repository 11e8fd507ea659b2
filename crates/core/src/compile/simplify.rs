//! Simplification: equal equations are computed once, and what nothing reads is left out.

use super::graph::{Graph, Operand, ValueId, What};
use crate::op::Kind;
use std::collections::{HashMap, HashSet};

pub(crate) fn simplify(graph: &mut Graph) {
    merge_equal(graph);
    drop_overwritten_stores(graph);
    drop_unread(graph);
    renumber(graph);
}

/// The largest constant that is compared with others.
const SMALL: usize = 64;

/// Common subexpressions: the same op with the same settings on the same operands makes the same bits.
fn merge_equal(graph: &mut Graph) {
    let mut same: Vec<ValueId> = (0..graph.values.len()).collect();
    let mut constants: HashMap<(Vec<u8>, String), ValueId> = HashMap::new();
    for (id, value) in graph.values.iter().enumerate() {
        let Some(constant) = &value.constant else { continue };
        // Large ones are told apart by where they are.
        let bytes = match constant.len() {
            0..=SMALL => constant.bytes().to_vec(),
            _ => constant.bytes().as_ptr().addr().to_ne_bytes().to_vec(),
        };
        let kind = format!("{:?} {:?} {}", value.meta, value.layout, constant.len());
        same[id] = *constants.entry((bytes, kind)).or_insert(id);
    }
    let mut known: HashMap<(String, Vec<String>), Vec<ValueId>> = HashMap::new();
    for equation in &mut graph.equations {
        for operand in &mut equation.inputs {
            operand.value = same[operand.value];
        }
        // What the settings of other ops are, their text may not say.
        let What::Op(op) = &equation.what else { continue };
        if op.kind() == Kind::Opaque {
            continue;
        }
        let key = (format!("{op:?}"), equation.inputs.iter().map(|o| format!("{o:?}")).collect());
        match known.get(&key) {
            Some(values) => equation.outputs.iter().zip(values).for_each(|(&from, &to)| same[from] = to),
            None => {
                known.insert(key, equation.outputs.clone());
            }
        }
    }
    graph.outputs.iter_mut().for_each(|output| output.value = same[output.value]);
}

/// A new value of a parameter that is replaced before anything reads it.
fn drop_overwritten_stores(graph: &mut Graph) {
    let mut overwritten = HashSet::new();
    let mut keep = vec![true; graph.equations.len()];
    for (at, equation) in graph.equations.iter().enumerate().rev() {
        match &equation.what {
            What::Store(param) => keep[at] = overwritten.insert(param.key()),
            What::Load(param) => {
                overwritten.remove(&param.key());
            }
            // An effect may read what it changes.
            What::Effect(effect) => effect.writes.iter().for_each(|param| {
                overwritten.remove(&param.key());
            }),
            What::Op(_) | What::Group(_) => (),
        }
    }
    retain(graph, &keep);
}

/// Equations whose results reach neither an output nor a place outside.
pub(super) fn drop_unread(graph: &mut Graph) {
    let mut read = vec![false; graph.values.len()];
    let mark = |read: &mut Vec<bool>, operands: &[Operand]| operands.iter().for_each(|o| read[o.value] = true);
    mark(&mut read, &graph.outputs);
    let mut keep = vec![true; graph.equations.len()];
    for (at, equation) in graph.equations.iter().enumerate().rev() {
        let acts = matches!(equation.what, What::Store(_) | What::Effect(_));
        keep[at] = acts || equation.outputs.iter().any(|&value| read[value]);
        if keep[at] {
            mark(&mut read, &equation.inputs);
        }
    }
    retain(graph, &keep);
}

fn retain(graph: &mut Graph, keep: &[bool]) {
    let mut keep = keep.iter();
    graph.equations.retain(|_| *keep.next().expect("one flag per equation"));
}

/// Leaves out values that nothing makes or reads.
pub(crate) fn renumber(graph: &mut Graph) {
    let mut used: Vec<bool> = vec![false; graph.values.len()];
    graph.inputs.iter().for_each(|&value| used[value] = true);
    for equation in &graph.equations {
        equation.inputs.iter().for_each(|o| used[o.value] = true);
        equation.outputs.iter().for_each(|&value| used[value] = true);
    }
    graph.outputs.iter().for_each(|o| used[o.value] = true);
    let mut new: Vec<ValueId> = vec![0; used.len()];
    new.iter_mut().zip(&used).filter(|(_, used)| **used).enumerate().for_each(|(next, (new, _))| *new = next);
    let mut flags = used.iter();
    graph.values.retain(|_| *flags.next().expect("one flag per value"));
    let rename = |value: &mut ValueId| *value = new[*value];
    graph.inputs.iter_mut().for_each(rename);
    for equation in &mut graph.equations {
        equation.inputs.iter_mut().for_each(|o| rename(&mut o.value));
        equation.outputs.iter_mut().for_each(rename);
    }
    graph.outputs.iter_mut().for_each(|o| rename(&mut o.value));
}
