//! Ranges of values that may become bytes: their names, and those that a model has learned.

use super::graph::{Equation, Graph, ValueId, What};
use super::quantize::{OnBytes, Sites, on_bytes};
use super::rewrite::constants;
use std::collections::{BTreeMap, HashMap, HashSet};

/// The least and the largest number that is told apart, by the name of a value.
///
/// A value is named after the first layer that reads it: `conv1.input`, or `layer1.0.conv2.shortcut` for one that is added
/// to what the layer makes. The names are those of every graph of one model, whatever the batch, so that ranges can be kept
/// in a file. What is read outside of layers is named by the number of its step.
pub type Ranges = BTreeMap<String, (f32, f32)>;

/// The names of the values that products and maxima of bytes would read.
pub(super) fn names(graph: &Graph, sites: &Sites) -> BTreeMap<ValueId, String> {
    let mut reads: Vec<(usize, &str, ValueId)> = Vec::new();
    for site in sites.products.values() {
        reads.push((site.equations[0], "input", site.x.value));
        reads.extend(site.residual.map(|residual| (site.equations[0], "shortcut", residual)));
    }
    reads.extend(sites.maxima.iter().map(|(&at, maxima)| (at, "input", maxima.x)));
    reads.sort();
    let (mut names, mut taken) = (BTreeMap::new(), HashSet::new());
    for (at, role, value) in reads {
        if names.contains_key(&value) {
            continue;
        }
        let layer = graph.equations[at].module.clone().unwrap_or_else(|| format!("step {at}"));
        // A layer that is called several times reads several values.
        let numbered = |turn: usize| match turn {
            1 => format!("{layer}.{role}"),
            _ => format!("{layer}.{role}#{turn}"),
        };
        let name = (1..).map(numbered).find(|name| taken.insert(name.clone())).expect("endless turns");
        names.insert(value, name);
    }
    names
}

/// Takes fake quantization to a range of 256 steps out of a graph: the ranges, by the value that was rounded.
///
/// The largest of numbers that are rounded is the largest number, rounded: maxima of windows pass their range on to what
/// they are taken of.
pub(super) fn take_learned(graph: &mut Graph) -> HashMap<ValueId, (f32, f32)> {
    let mut ranges = HashMap::new();
    for at in 0..graph.equations.len() {
        let Equation { what: What::Op(op), inputs, outputs, .. } = &graph.equations[at] else { continue };
        let Some(range) = op.rewrites().fake_quantized(&constants(graph, at)) else { continue };
        let (x, y) = (inputs[0].clone(), outputs[0]);
        // Readers look at the elements one after the other; so they must lie in what is read instead.
        if !x.layout.is_contiguous() || x.layout.offset != 0 {
            continue;
        }
        let operands = graph.equations.iter_mut().flat_map(|e| &mut e.inputs).chain(&mut graph.outputs);
        operands.filter(|operand| operand.value == y).for_each(|operand| operand.value = x.value);
        ranges.entry(x.value).or_insert(range);
        (graph.equations[at].inputs, graph.equations[at].outputs) = Default::default();
    }
    graph.equations.retain(|e| !(matches!(e.what, What::Op(_)) && e.outputs.is_empty()));
    for at in (0..graph.equations.len()).rev() {
        let Equation { inputs, outputs, .. } = &graph.equations[at];
        if let Some(OnBytes::Maxima(_)) = on_bytes(graph, at)
            && let Some(&range) = ranges.get(&outputs[0])
        {
            ranges.entry(inputs[0].value).or_insert(range);
        }
    }
    ranges
}
