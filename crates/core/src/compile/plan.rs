//! The memory plan: which bytes of one arena each value has, and when it is done with.
//!
//! Values that live at the same time lie apart. The largest are placed first, each at the lowest place that is free
//! during its life (Pisarchyk and Lee 2020, greedy by size).

use super::graph::{Graph, ValueId, What};
use crate::tensor::ALIGNMENT;

pub(crate) struct Plan {
    /// The offset in the arena of values that lie there: results that do not leave the graph.
    pub(crate) offsets: Vec<Option<usize>>,
    /// The size of the arena.
    pub(crate) bytes: usize,
    /// After each equation, the values outside of the arena that nothing reads any more.
    pub(crate) done: Vec<Vec<ValueId>>,
}

/// From the equation that makes a value to the last that reads it.
#[derive(Clone, Copy)]
struct Life {
    first: usize,
    last: usize,
}

pub(crate) fn plan(graph: &Graph) -> Plan {
    let end = graph.equations.len();
    let mut lives = vec![Life { first: 0, last: 0 }; graph.values.len()];
    // What becomes a tensor has memory of its own: outputs, new values of parameters, and what effects are given. So has
    // what is not made here.
    let mut outside = vec![true; graph.values.len()];
    for (at, equation) in graph.equations.iter().enumerate() {
        let computes = matches!(equation.what, What::Op(_) | What::Group(_));
        for &value in &equation.outputs {
            lives[value] = Life { first: at, last: at };
            outside[value] = !computes;
        }
        for operand in &equation.inputs {
            lives[operand.value].last = at;
            outside[operand.value] |= !computes;
        }
    }
    for output in &graph.outputs {
        lives[output.value].last = end;
        outside[output.value] = true;
    }
    let mut done = vec![Vec::new(); end];
    let mut placed: Vec<ValueId> = Vec::new();
    for (value, life) in lives.iter().enumerate() {
        if !outside[value] {
            placed.push(value);
        } else if graph.values[value].constant.is_none() && life.last < end {
            done[life.last].push(value);
        }
    }
    let (offsets, bytes) = place(graph, &lives, placed);
    Plan { offsets, bytes, done }
}

/// Offsets of the given values.
fn place(graph: &Graph, lives: &[Life], mut values: Vec<ValueId>) -> (Vec<Option<usize>>, usize) {
    let size = |value: ValueId| graph.values[value].bytes.next_multiple_of(ALIGNMENT);
    values.sort_by_key(|&value| (std::cmp::Reverse(size(value)), value));
    let mut offsets = vec![None; graph.values.len()];
    // Those that have a place, by offset.
    let mut placed: Vec<(usize, ValueId)> = Vec::new();
    let mut bytes = 0;
    for value in values {
        let life = lives[value];
        let meets = |other: ValueId| lives[other].first <= life.last && life.first <= lives[other].last;
        let mut offset = 0;
        for &(start, other) in placed.iter().filter(|(_, other)| meets(*other)) {
            if start >= offset + size(value) {
                break;
            }
            offset = offset.max(start + size(other));
        }
        offsets[value] = Some(offset);
        bytes = bytes.max(offset + size(value));
        placed.insert(placed.partition_point(|&(start, _)| start < offset), (offset, value));
    }
    (offsets, bytes)
}
