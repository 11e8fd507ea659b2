//! Images with their channels last: `[n, h, w, c]` in memory in place of `[n, c, h, w]`.
//!
//! Convolutions that sum over channels want them side by side, and transpose images on their way in and out. Between such
//! convolutions the pass lets images lie as they are wanted: ops that have a form for it ([`Rewrites::channels_last`]) take
//! that, elementwise ops run over the other order, and everything else reads through strides or gets a copy. Values that
//! hang together change together, if that saves more elements to transpose than it costs. No bit changes.
//!
//! [`Rewrites::channels_last`]: super::Rewrites::channels_last

use super::graph::{Equation, Graph, Operand, ValueId, What};
use super::rewrite::ChannelsLast;
use crate::op::{Kind, Op};
use crate::ops::shape::contiguous;
use crate::tensor::{Layout, Meta, Shape};
use std::collections::HashMap;

/// What an equation may do with images whose channels lie last.
enum Role {
    /// It has a form for them.
    Native(ChannelsLast),
    /// It is elementwise.
    Neutral,
    /// Nothing.
    Fixed,
}

pub(super) fn channels_last(graph: &mut Graph) {
    let pass = Pass::new(graph);
    let last = pass.worthwhile();
    if last.iter().any(|&last| last) {
        pass.rewrite(&last);
    }
}

struct Pass<'a> {
    graph: &'a mut Graph,
    /// By equation.
    roles: Vec<Role>,
    /// Whether a value could lie either way.
    free: Vec<bool>,
}

impl Pass<'_> {
    fn new(graph: &mut Graph) -> Pass<'_> {
        let readable = readable(graph);
        let roles: Vec<Role> = graph.equations.iter().map(|equation| role(graph, equation, &readable)).collect();
        let mut free = vec![false; graph.values.len()];
        for (equation, role) in graph.equations.iter().zip(&roles) {
            for (i, &value) in equation.outputs.iter().enumerate() {
                free[value] = match role {
                    Role::Native(form) => form.outputs[i],
                    Role::Neutral => true,
                    Role::Fixed => false,
                };
            }
        }
        Pass { graph, roles, free }
    }

    /// Which values lie with their channels last: those that hang together, where that pays.
    fn worthwhile(&self) -> Vec<bool> {
        let mut sets = Sets::new(self.graph.values.len());
        for (equation, role) in self.graph.equations.iter().zip(&self.roles) {
            let free: Vec<ValueId> =
                self.images(equation, role).filter(|&(value, _)| self.free[value]).map(|(v, _)| v).collect();
            free.windows(2).for_each(|pair| sets.join(pair[0], pair[1]));
        }
        // Elements that need not be transposed any more, less those that must be now.
        let mut gains: HashMap<ValueId, isize> = HashMap::new();
        for (equation, role) in self.graph.equations.iter().zip(&self.roles) {
            let saves = matches!(&equation.what, What::Op(op) if op.kind() == Kind::Contraction);
            let set = self.images(equation, role).find(|&(value, _)| self.free[value]).map(|(value, _)| sets.of(value));
            for (value, elements) in self.images(equation, role) {
                let Some(set) = set else { continue };
                let gain = gains.entry(set).or_default();
                *gain += if saves { elements } else { 0 };
                *gain -= if self.free[value] { 0 } else { elements };
            }
            // Reductions read through strides.
            if matches!(role, Role::Fixed) && !matches!(&equation.what, What::Op(op) if op.kind() == Kind::Reduce) {
                for operand in equation.inputs.iter().filter(|operand| self.free[operand.value]) {
                    *gains.entry(sets.of(operand.value)).or_default() -= operand.layout.shape.elements() as isize;
                }
            }
        }
        (0..self.free.len()).map(|v| self.free[v] && gains.get(&sets.of(v)).is_some_and(|&gain| gain > 0)).collect()
    }

    /// The images that an equation would take and make with their channels last, and their elements.
    fn images<'b>(&'b self, equation: &'b Equation, role: &'b Role) -> impl Iterator<Item = (ValueId, isize)> + 'b {
        let made = equation.outputs.iter().enumerate().filter(|&(i, _)| match role {
            Role::Native(form) => form.outputs[i],
            Role::Neutral => true,
            Role::Fixed => false,
        });
        let shape = equation.outputs.first().map(|&value| &self.graph.values[value].meta.shape);
        let read = equation.inputs.iter().enumerate().filter(move |(i, operand)| match role {
            Role::Native(form) => form.inputs[*i],
            Role::Neutral => Some(&operand.layout.shape) == shape,
            Role::Fixed => false,
        });
        let read = read.map(|(_, operand)| (operand.value, operand.layout.shape.elements() as isize));
        let elements = |value: ValueId| self.graph.values[value].meta.shape.elements() as isize;
        made.map(move |(_, &value)| (value, elements(value))).chain(read)
    }

    /// Rewrites the graph so that the values `last` lie with their channels last.
    fn rewrite(self, last: &[bool]) {
        let Pass { graph, roles, .. } = self;
        let mut equations = std::mem::take(&mut graph.equations);
        let before: Vec<Shape> = graph.values.iter().map(|value| value.meta.shape.clone()).collect();
        for (value, _) in last.iter().enumerate().filter(|(_, last)| **last) {
            let shape = moved(&Layout::contiguous(&before[value]), before[value].rank()).shape;
            let value = &mut graph.values[value];
            (value.layout, value.meta) = (Layout::contiguous(&shape), value.meta.with_shape(shape));
        }
        // Copies in another order: of a value, read through a layout.
        let mut copies: Vec<(Operand, Operand)> = Vec::new();
        for (mut equation, role) in equations.drain(..).zip(roles) {
            let outputs = equation.outputs.first().map(|&value| (last[value], before[value].rank()));
            let changes = match &role {
                Role::Native(form) => takes(&equation, form, last),
                Role::Neutral => outputs.is_some_and(|(last, _)| last),
                Role::Fixed => false,
            };
            let module = equation.module.clone();
            let mut copy = |graph: &mut Graph, operand: Operand| {
                if let Some((_, copy)) = copies.iter().find(|(known, _)| *known == operand) {
                    return copy.clone();
                }
                let meta = operand.meta();
                let value = graph.push(contiguous::op(), vec![operand.clone()], meta, module.clone());
                copies.push((operand, graph.whole(value)));
                graph.whole(value)
            };
            for (i, operand) in equation.inputs.iter_mut().enumerate() {
                if last[operand.value] {
                    let all = unmoved(&Layout::contiguous(&graph.values[operand.value].meta.shape));
                    match all.reshape(&operand.layout.shape) {
                        Some(layout) => operand.layout = layout,
                        None => {
                            let whole = copy(graph, Operand { layout: all, ..operand.clone() });
                            let layout = Layout::contiguous(&operand.layout.shape);
                            *operand = Operand { layout, ..whole };
                        }
                    }
                }
                match &role {
                    Role::Native(form) if changes && form.inputs[i] => {
                        operand.layout = moved(&operand.layout, operand.layout.shape.rank());
                        if !operand.layout.is_contiguous() {
                            *operand = copy(graph, operand.clone());
                        }
                    }
                    Role::Neutral if changes => {
                        operand.layout = moved(&operand.layout, outputs.map_or(0, |(_, rank)| rank));
                    }
                    _ => {}
                }
            }
            if let Role::Native(form) = role
                && changes
            {
                equation.what = What::Op(form.op);
            }
            graph.equations.push(equation);
        }
    }
}

/// Whether an equation takes its form: those of its images that could lie either way have changed, all or none.
fn takes(equation: &Equation, form: &ChannelsLast, last: &[bool]) -> bool {
    let made = equation.outputs.iter().zip(&form.outputs).filter(|(_, image)| **image).map(|(&value, _)| value);
    let read = equation.inputs.iter().zip(&form.inputs).filter(|(_, image)| **image).map(|(operand, _)| operand.value);
    made.chain(read).any(|value| last[value])
}

/// Values that are read as a whole, in row-major order, by ops of the graph alone.
fn readable(graph: &Graph) -> Vec<bool> {
    let mut readable: Vec<bool> = graph.values.iter().map(|value| value.constant.is_none()).collect();
    graph.inputs.iter().for_each(|&value| readable[value] = false);
    graph.outputs.iter().for_each(|operand| readable[operand.value] = false);
    for equation in &graph.equations {
        for operand in &equation.inputs {
            let Operand { value, layout, dtype } = operand;
            let meta = &graph.values[*value].meta;
            let whole = layout.offset == 0
                && layout.is_contiguous()
                && layout.shape.elements() == meta.shape.elements()
                && *dtype == meta.dtype;
            readable[*value] &= whole && matches!(equation.what, What::Op(_));
        }
    }
    readable
}

fn role(graph: &Graph, equation: &Equation, readable: &[bool]) -> Role {
    let What::Op(op) = &equation.what else { return Role::Fixed };
    let inputs: Vec<Meta> = equation.inputs.iter().map(Operand::meta).collect();
    if let Some(form) = op.rewrites().channels_last(&inputs) {
        let images = equation.outputs.iter().zip(&form.outputs).filter(|(_, image)| **image);
        return if images.into_iter().all(|(&value, _)| readable[value]) { Role::Native(form) } else { Role::Fixed };
    }
    let [output] = equation.outputs[..] else { return Role::Fixed };
    let meta = &graph.values[output].meta;
    let rank = meta.shape.rank();
    let elementwise = op.kind() == Kind::Map && rank >= 3 && readable[output] && infers_moved(&**op, &inputs, meta);
    if elementwise { Role::Neutral } else { Role::Fixed }
}

/// Whether an op gives the other order for inputs in the other order.
fn infers_moved(op: &dyn Op, inputs: &[Meta], output: &Meta) -> bool {
    let rank = output.shape.rank();
    if inputs.is_empty() || inputs.iter().any(|input| input.shape.rank() > rank) {
        return false;
    }
    let other = |meta: &Meta| meta.with_shape(moved(&Layout::contiguous(&meta.shape), rank).shape);
    let inputs: Vec<Meta> = inputs.iter().map(other).collect();
    op.infer(&inputs).is_ok_and(|found| found[..] == [other(output)])
}

/// A layout of `rank` axes, or one that is broadcast to so many, with axis 1 as the last.
fn moved(layout: &Layout, rank: usize) -> Layout {
    let mut layout = layout.clone();
    while layout.shape.rank() < rank {
        layout = layout.unsqueeze(0);
    }
    let order: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
    layout.permute(&order)
}

/// The inverse of [`moved`].
fn unmoved(layout: &Layout) -> Layout {
    let rank = layout.shape.rank();
    let order: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    layout.permute(&order)
}

/// Disjoint sets of values.
struct Sets(Vec<ValueId>);

impl Sets {
    fn new(values: usize) -> Sets {
        Sets((0..values).collect())
    }

    /// The value that stands for the set of this one.
    fn of(&self, mut value: ValueId) -> ValueId {
        while self.0[value] != value {
            value = self.0[value];
        }
        value
    }

    fn join(&mut self, a: ValueId, b: ValueId) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b)] = a.min(b);
    }
}
