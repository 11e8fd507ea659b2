//! Fusion: elementwise ops that follow on each other become one pass over memory.
//!
//! An op joins the groups of the values that it reads if they run over the same shape. A group runs where its last op stood,
//! so it is closed as soon as an equation outside of it reads one of its values. Results inside of a group that nothing
//! else reads are never written to memory. Every op runs its own kernel, a tile at a time, on the same elements in the
//! same order: the bits are those of the ops one by one.

use super::graph::{Equation, Graph, Member, Operand, Source, Value, ValueId, What};
use crate::op::Kind;
use crate::tensor::Shape;
use std::collections::HashMap;

/// The most ops in a group: their tiles share the first two levels of cache.
const MOST: usize = 16;
/// The fewest elements that are worth a group: below, everything is in the cache anyway.
const LEAST: usize = 2048;

/// Equations that may become one.
struct Group {
    shape: Shape,
    equations: Vec<usize>,
    closed: bool,
}

pub(crate) fn fuse(graph: &mut Graph) {
    let groups = groups(graph);
    let mut taken: Vec<Option<Equation>> = graph.equations.drain(..).map(Some).collect();
    // The groups by their last equation, where they run.
    let ends: HashMap<usize, &Group> = groups.iter().map(|g| (g.equations[g.equations.len() - 1], g)).collect();
    let inside: Vec<usize> = groups.iter().flat_map(|g| g.equations.iter().copied()).collect();
    let mut readers: HashMap<ValueId, Vec<usize>> = HashMap::new();
    for (at, equation) in taken.iter().enumerate() {
        let inputs = equation.iter().flat_map(|e| &e.inputs);
        inputs.for_each(|operand| readers.entry(operand.value).or_default().push(at));
    }
    let leaves = |value: ValueId, group: &Group| {
        graph.outputs.iter().any(|o| o.value == value)
            || readers.get(&value).is_some_and(|all| all.iter().any(|at| !group.equations.contains(at)))
    };
    let mut equations = Vec::new();
    for at in 0..taken.len() {
        if let Some(group) = ends.get(&at) {
            let parts = group.equations.iter().filter_map(|&at| taken[at].take()).collect();
            equations.push(merged(parts, &graph.values, |value| leaves(value, group)));
        } else if !inside.contains(&at) {
            equations.extend(taken[at].take());
        }
    }
    graph.equations = equations;
}

/// The groups of two and more equations.
fn groups(graph: &Graph) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: HashMap<ValueId, usize> = HashMap::new();
    // What depends on constants alone is computed once, ahead of runs.
    let mut constant: Vec<bool> = graph.values.iter().map(|value| value.constant.is_some()).collect();
    for (at, equation) in graph.equations.iter().enumerate() {
        let once = !equation.inputs.is_empty() && equation.inputs.iter().all(|o| constant[o.value]);
        equation.outputs.iter().for_each(|&value| constant[value] = once);
        let shape = if once { None } else { fusible(graph, equation) };
        let mut joins: Option<usize> = None;
        for g in equation.inputs.iter().filter_map(|o| group_of.get(&o.value).copied()).collect::<Vec<_>>() {
            let room = MOST - joins.map_or(1, |first| groups[first].equations.len() + 1);
            let as_is = |o: &Operand| group_of.get(&o.value) != Some(&g) || is_whole(graph, o);
            let group = &mut groups[g];
            if joins == Some(g) {
                continue;
            }
            if group.closed
                || shape.as_ref() != Some(&group.shape)
                || group.equations.len() > room
                || !equation.inputs.iter().all(as_is)
            {
                group.closed = true;
                continue;
            }
            // The first such group takes up the others.
            let Some(first) = joins else {
                joins = Some(g);
                continue;
            };
            let others = std::mem::take(&mut group.equations);
            group.closed = true;
            others.iter().for_each(|&other| {
                group_of.insert(graph.equations[other].outputs[0], first);
            });
            groups[first].equations.extend(others);
            groups[first].equations.sort();
        }
        let Some(shape) = shape else { continue };
        let g = joins.unwrap_or(groups.len());
        if g == groups.len() {
            groups.push(Group { shape, equations: Vec::new(), closed: false });
        }
        groups[g].equations.push(at);
        group_of.insert(equation.outputs[0], g);
    }
    groups.retain(|group| group.equations.len() > 1);
    groups
}

/// The shape that an equation runs over, if it is elementwise and large.
fn fusible(graph: &Graph, equation: &Equation) -> Option<Shape> {
    let What::Op(op) = &equation.what else { return None };
    let [output] = equation.outputs[..] else { return None };
    let shape = &graph.values[output].meta.shape;
    let broadcasts = |o: &Operand| {
        let sizes = &o.layout.shape;
        let axes = sizes.iter().rev().zip(shape.iter().rev());
        sizes.rank() <= shape.rank() && axes.into_iter().all(|(&size, &whole)| size == whole || size == 1)
    };
    let fits = op.kind() == Kind::Map && shape.elements() >= LEAST && equation.inputs.iter().all(broadcasts);
    fits.then(|| shape.clone())
}

/// Whether a value is read as it was made.
fn is_whole(graph: &Graph, operand: &Operand) -> bool {
    operand.layout == graph.values[operand.value].layout
}

/// One equation of several, whose results are the values that leave the group.
fn merged(parts: Vec<Equation>, values: &[Value], leaves: impl Fn(ValueId) -> bool) -> Equation {
    let (mut inputs, mut outputs, mut members) = (Vec::new(), Vec::new(), Vec::new());
    let mut made: HashMap<ValueId, usize> = HashMap::new();
    let module = parts[0].module.clone();
    for part in parts {
        let What::Op(op) = part.what else { unreachable!("only ops are fused") };
        let sources = part.inputs.into_iter().map(|operand| {
            if let Some(&member) = made.get(&operand.value) {
                return Source::Member(member);
            }
            Source::Input(inputs.iter().position(|known| *known == operand).unwrap_or_else(|| {
                inputs.push(operand);
                inputs.len() - 1
            }))
        });
        let sources = sources.collect();
        let value = part.outputs[0];
        let output = leaves(value).then(|| {
            outputs.push(value);
            outputs.len() - 1
        });
        made.insert(value, members.len());
        members.push(Member { op, inputs: sources, meta: values[value].meta.clone(), output });
    }
    Equation { what: What::Group(members), inputs, outputs, module }
}
