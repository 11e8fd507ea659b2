//! Rewrites: what an op in a graph can take over from the op behind it, or do ahead of a run.
//!
//! * The gradient of a maximum of what a ReLU gave is gated before it is placed.
//! * A bound (ReLU and the like) is applied by the convolution before it, while its results are in the cache.
//! * Weights that are constants are packed once.
//! * In a graph for inference, a channel's scale and shift (batch normalization) are folded into the weights before them.
//!   That alone changes how results are rounded.

use super::constants::settle_one;
use super::graph::{Equation, Graph, Operand, Value, ValueId, What};
use super::memo::Memo;
use super::quantize::OnBytes;
use crate::op::Op;
use crate::ops::map::mul;
use crate::tensor::{Buffer, Meta, Tensor, TracedId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a graph may make of an op. Every method says no unless the op says otherwise.
///
/// `constants` has an entry for each input: its value if it is the same in every run.
pub trait Rewrites {
    /// For an op that makes `low` of what is below, and `high` of what is above: the two.
    fn bounds(&self) -> Option<(f64, f64)> {
        None
    }

    /// The op that does this and then such an op, with the same bits.
    fn then_bounds(&self, _bounds: (f64, f64)) -> Option<Arc<dyn Op>> {
        None
    }

    /// What part the op has in the gradient of a maximum that follows a ReLU.
    fn part(&self) -> Option<Part> {
        None
    }

    /// For an op that multiplies each channel (axis 1) of its first input by a number, and adds one: the two vectors.
    fn channel_affine(&self, _constants: &[Option<Tensor>]) -> Option<(Tensor, Tensor)> {
        None
    }

    /// What this op's weight, its second input, is multiplied by, and the third input, with which it does what it and then
    /// such an op did, but for rounding.
    fn then_channel_affine(
        &self,
        _constants: &[Option<Tensor>],
        _scale: &Tensor,
        _shift: &Tensor,
    ) -> Option<[Tensor; 2]> {
        None
    }

    /// An op, and the inputs behind the first, that give the same bits with less to do in every run. What is made of
    /// constants whatever the batch size is kept in `memo`.
    fn prepared(
        &self,
        _inputs: &[Meta],
        _constants: &[Option<Tensor>],
        _memo: &mut Memo,
    ) -> Option<(Arc<dyn Op>, Vec<Tensor>)> {
        None
    }

    /// For an op that rounds its first input to one of 256 steps of equal size: the least and the largest of them.
    fn fake_quantized(&self, _constants: &[Option<Tensor>]) -> Option<(f32, f32)> {
        None
    }

    /// What the op is to bytes, in a graph that is quantized.
    fn on_bytes(&self, _inputs: &[Meta], _constants: &[Option<Tensor>]) -> Option<OnBytes> {
        None
    }

    /// The op over images whose channels lie last, with the same bits.
    fn channels_last(&self, _inputs: &[Meta]) -> Option<ChannelsLast> {
        None
    }
}

/// An op that takes or makes images with their channels last: `[n, sizes…, c]` in place of `[n, c, sizes…]`.
pub struct ChannelsLast {
    /// Takes and makes such images without gaps.
    pub op: Arc<dyn Op>,
    /// Which inputs are such images …
    pub inputs: Vec<bool>,
    /// … and which outputs.
    pub outputs: Vec<bool>,
}

/// The ops around maxima of what a ReLU gave, whose gradients can change places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// `x → y, index`: each `y` is one of `x`, and `index` says which.
    PicksMaxima,
    /// `y, index → x`: each of `y` is added to zeros at its index.
    PlacesMaxima,
    /// `g, y → x`, element by element: `g`, or 0, whichever `y` says.
    Gates,
}

/// An op that is taken as it is.
pub(crate) struct AsItIs;

impl Rewrites for AsItIs {}

/// Folds scales and shifts into the weights before them: for inference. The product of weight and scale is an equation, so
/// that a graph can be run once without memory for all of them; `constants::settle` computes it ahead of runs.
pub(super) fn fold_affine(graph: &mut Graph) {
    let mut products: HashMap<usize, Vec<Equation>> = HashMap::new();
    let mut scaled: HashSet<ValueId> = HashSet::new();
    for at in 0..graph.equations.len() {
        let Some((before, op)) = followed(graph, at) else { continue };
        let Some((scale, shift)) = op.rewrites().channel_affine(&constants(graph, at)) else { continue };
        let made = &graph.values[graph.equations[before].outputs[0]].meta;
        let What::Op(first) = &graph.equations[before].what else { continue };
        if made.shape.get(1) != Some(&scale.elements()) {
            continue;
        }
        let Some([factor, bias]) = first.rewrites().then_channel_affine(&constants(graph, before), &scale, &shift)
        else {
            continue;
        };
        let weight = graph.equations[before].inputs[1].clone();
        if graph.values[weight.value].constant.is_none() && !scaled.contains(&weight.value) {
            continue;
        }
        let (meta, module) = (weight.meta(), graph.equations[before].module.clone());
        let inputs = vec![weight, constant(graph, &factor)];
        let product = graph.push(mul::op(), inputs, meta, module);
        products.entry(before).or_default().extend(graph.equations.pop());
        scaled.insert(product);
        let (weight, bias) = (graph.whole(product), constant(graph, &bias));
        graph.equations[before].inputs.truncate(1);
        graph.equations[before].inputs.extend([weight, bias]);
        take_over(graph, before, at);
    }
    let equations = std::mem::take(&mut graph.equations).into_iter().enumerate();
    let with_product = |(at, equation)| products.remove(&at).into_iter().flatten().chain([equation]);
    graph.equations = equations.flat_map(with_product).filter(|equation| !is_taken(equation)).collect();
}

/// Lets an op apply the bounds behind it.
pub(super) fn bound(graph: &mut Graph) {
    for at in 0..graph.equations.len() {
        let Some((before, op)) = followed(graph, at) else { continue };
        let Some(bounds) = op.rewrites().bounds() else { continue };
        let What::Op(first) = &graph.equations[before].what else { continue };
        let Some(bounded) = first.rewrites().then_bounds(bounds) else { continue };
        graph.equations[before].what = What::Op(bounded);
        take_over(graph, before, at);
    }
    graph.equations.retain(|equation| !is_taken(equation));
}

/// Gates the gradients of maxima before they are placed, where there are few of them, instead of after.
///
/// Where an element was not the maximum its gradient is 0 either way; where it was, the maximum is the element, and gates as
/// it does. The ReLU's results are then not needed for the gradient.
pub(super) fn gate_maxima(graph: &mut Graph) {
    let part = |equation: &Equation| match &equation.what {
        What::Op(op) => op.rewrites().part(),
        _ => None,
    };
    let whole = |graph: &Graph, o: &Operand| o.layout == graph.values[o.value].layout;
    for at in 0..graph.equations.len() {
        let gate = &graph.equations[at];
        let (Some(Part::Gates), Some((before, _))) = (part(gate), followed(graph, at)) else { continue };
        let place = &graph.equations[before];
        if part(place) != Some(Part::PlacesMaxima) {
            continue;
        }
        let (y, index) = (&gate.inputs[1], &place.inputs[1]);
        let picks = |e: &&Equation| part(e) == Some(Part::PicksMaxima) && e.outputs[1] == index.value;
        let Some(pick) = graph.equations[..before].iter().find(picks) else { continue };
        let maxima = pick.outputs[0];
        let meta = graph.values[maxima].meta.clone();
        if pick.inputs[0] != *y || ![y, index].iter().all(|o| whole(graph, o)) || place.inputs[0].meta() != meta {
            continue;
        }
        // The two equations change places: what was placed and then gated is gated and then placed.
        let layout = graph.values[maxima].layout.clone();
        let gated = place.outputs[0];
        let bytes = graph.values[maxima].bytes;
        graph.values[gated] = Value { meta, layout: layout.clone(), bytes, constant: None };
        let (first, second) = graph.equations.split_at_mut(at);
        let (place, gate) = (&mut first[before], &mut second[0]);
        std::mem::swap(&mut place.what, &mut gate.what);
        std::mem::swap(&mut place.module, &mut gate.module);
        let dtype = place.inputs[0].dtype;
        gate.inputs = vec![Operand { value: gated, layout: layout.clone(), dtype }, place.inputs[1].clone()];
        place.inputs[1] = Operand { value: maxima, layout, dtype };
    }
}

/// Prepares ops whose inputs are constants. That takes longer than one run without.
///
/// A weight that an equation is yet to scale is scaled only if nobody has prepared it for another batch size.
pub(super) fn prepare(graph: &mut Graph, memo: &mut Memo) {
    for at in 0..graph.equations.len() {
        let What::Op(op) = graph.equations[at].what.clone() else { continue };
        let inputs: Vec<Meta> = graph.equations[at].inputs.iter().map(Operand::meta).collect();
        let mut given = constants(graph, at);
        let scaling = scaled_weight(graph, at, &mut given, memo);
        let mut prepared = op.rewrites().prepared(&inputs, &given, memo);
        if let Some(scaling) = scaling.filter(|_| memo.wants_elements()) {
            settle_one(graph, scaling, memo);
            prepared = op.rewrites().prepared(&inputs, &constants(graph, at), memo);
        }
        let Some((op, others)) = prepared else { continue };
        graph.equations[at].what = What::Op(op);
        replace_inputs(graph, at, others);
    }
    graph.equations.retain(|equation| !is_taken(equation));
}

/// Lets a weight that is yet to be made of constants stand in for itself, without its elements, and gives the equation that
/// makes it.
fn scaled_weight(graph: &mut Graph, at: usize, given: &mut [Option<Tensor>], memo: &mut Memo) -> Option<usize> {
    let Some(weight @ None) = given.get_mut(1) else { return None };
    let value = graph.equations[at].inputs[1].value;
    let scaling = graph.equations[..at].iter().position(|e| e.outputs == [value])?;
    // One that was scaled before it is scaled again, by a second scale behind the same op.
    for value in graph.equations[scaling].inputs.iter().map(|o| o.value).collect::<Vec<_>>() {
        let makers: Vec<usize> = (0..scaling).filter(|&i| graph.equations[i].outputs == [value]).collect();
        makers.into_iter().for_each(|maker| settle_one(graph, maker, memo));
    }
    let operand = &graph.equations[at].inputs[1];
    let (What::Op(op), sources) = (&graph.equations[scaling].what, constants(graph, scaling)) else { return None };
    if sources.iter().any(Option::is_none) {
        return None;
    }
    let elements = Buffer::traced(TracedId { trace: 0, value: operand.value }, graph.values[operand.value].bytes);
    let absent = Tensor::of_buffer(elements, operand.layout.clone(), operand.dtype);
    memo.came(std::slice::from_ref(&absent), &format!("{op:?}"), &sources);
    *weight = Some(absent);
    Some(scaling)
}

/// For an op that reads as its first input all of what another op makes, which nothing else reads: the equation of that
/// other op, and this op.
fn followed(graph: &Graph, at: usize) -> Option<(usize, Arc<dyn Op>)> {
    let Equation { what: What::Op(op), inputs, .. } = &graph.equations[at] else { return None };
    let operand = inputs.first()?;
    let reads = |operands: &[Operand]| operands.iter().filter(|o| o.value == operand.value).count();
    let readers: usize = graph.equations.iter().map(|e| reads(&e.inputs)).sum::<usize>() + reads(&graph.outputs);
    let all = operand.layout.is_contiguous()
        && operand.layout.offset == 0
        && operand.layout.shape.elements() == graph.values[operand.value].meta.shape.elements();
    let before = graph.equations[..at].iter().rposition(|e| e.outputs == [operand.value])?;
    (readers == 1 && all).then(|| (before, op.clone()))
}

/// The values of an equation's inputs, where they are constants.
pub(super) fn constants(graph: &Graph, at: usize) -> Vec<Option<Tensor>> {
    let constant = |o: &Operand| graph.values[o.value].constant.as_ref().map(|buffer| o.tensor(buffer.clone()));
    graph.equations[at].inputs.iter().map(constant).collect()
}

/// Gives an equation other inputs behind the first. Constants that nothing reads any more go: their memory is what the
/// next ones are made in.
fn replace_inputs(graph: &mut Graph, at: usize, others: Vec<Tensor>) {
    let mut before = std::mem::take(&mut graph.equations[at].inputs);
    let first = before.remove(0);
    let others: Vec<Operand> = others.iter().map(|tensor| constant(graph, tensor)).collect();
    graph.equations[at].inputs = std::iter::once(first).chain(others).collect();
    before.iter().for_each(|operand| forget(graph, operand.value));
}

/// Lets go of a constant that nothing reads.
fn forget(graph: &mut Graph, value: ValueId) {
    let mut read = graph.equations.iter().flat_map(|e| &e.inputs).chain(&graph.outputs);
    if !read.any(|o| o.value == value) {
        graph.values[value].constant = None;
    }
}

/// Adds a constant to the values.
pub(super) fn constant(graph: &mut Graph, tensor: &Tensor) -> Operand {
    let layout = tensor.layout().clone();
    let constant: Arc<Buffer> = tensor.0.data.buffer.clone();
    let value = Value { meta: tensor.meta(), layout: layout.clone(), bytes: constant.len(), constant: Some(constant) };
    graph.values.push(value);
    Operand { value: graph.values.len() - 1, layout, dtype: tensor.dtype() }
}

/// Equation `before` now makes what equation `at` made, which is left without an effect.
fn take_over(graph: &mut Graph, before: usize, at: usize) {
    let (from, to): (ValueId, ValueId) = (graph.equations[at].outputs[0], graph.equations[before].outputs[0]);
    // The one may have been made in another shape than the other; how it is read stays.
    let rename = |operand: &mut Operand| {
        if operand.value == from {
            operand.value = to;
        }
    };
    graph.equations.iter_mut().flat_map(|e| &mut e.inputs).chain(&mut graph.outputs).for_each(rename);
    (graph.equations[at].inputs, graph.equations[at].outputs) = Default::default();
}

/// Whether the equation is one that another has taken over.
fn is_taken(equation: &Equation) -> bool {
    matches!(equation.what, What::Op(_)) && equation.outputs.is_empty()
}
