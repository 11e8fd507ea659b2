//! Quantization: convolutions and dense layers of a graph for inference as products of bytes.
//!
//! With a range for every value that is read by one (what calibration found), images stay bytes from product to product: a
//! convolution takes over the sum with a shortcut and the bounds behind it, rounds once, and maxima of windows are taken of
//! the bytes. Without, dense layers find the range of each row when they run.

use super::graph::{Equation, Graph, Operand, ValueId, What};
use super::memo::Memo;
use super::ranges::{Ranges, names, take_learned};
use super::rewrite::{constant, constants};
use crate::op::Op;
use crate::ops::quantized::{
    dequantize_images, dynamic_quantized_linear, quantize_images, quantized_convolution, quantized_max_pool,
    weight_quantized_linear,
};
use crate::run::bytes::{ByteScale, SignedBytes, border, bordered, prepare};
use crate::tensor::{Meta, Tensor};
use crate::{DType, Result};
use hadal_kernels::conv::ConvShape;
use hadal_kernels::quantized::{Border, pitch, suits};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// How a graph for inference is quantized to eight bits.
#[derive(Clone, Debug)]
pub enum Int8 {
    /// Weights only, each output channel with a scale of its own; inputs and sums stay numbers. Dense layers keep the bytes
    /// and read four times less memory; weights of convolutions, whose time does not depend on that, are rounded to them.
    Weights,
    /// Dense layers only: weights are bytes, and each row of an input becomes bytes by its own range when it is met.
    Dynamic,
    /// Convolutions and dense layers, with the ranges that [`Graphs::observe`](super::Graphs::observe) was asked for. What
    /// has no range stays as it is.
    Static(Ranges),
}

/// What an op is to bytes.
pub enum OnBytes {
    /// Sums of products with a constant weight, over images of this shape; a dense layer has images of one position.
    Products {
        /// The sizes.
        shape: ConvShape,
        /// The weight, `f32 [out, …]`.
        weight: Tensor,
        /// One value per output.
        bias: Option<Tensor>,
        /// What is below and above is replaced by these.
        bounds: Option<(f64, f64)>,
    },
    /// The largest elements of windows.
    Maxima(ConvShape),
    /// The sum of two inputs.
    Sum,
    /// Numbers become bytes.
    ToBytes {
        /// What the bytes stand for, as unsigned ones.
        scale: ByteScale,
        /// Whether they are signed.
        signed: bool,
    },
    /// Bytes become the numbers that they stand for.
    FromBytes {
        /// What the bytes stand for, as unsigned ones, if that is one thing for all.
        scale: Option<ByteScale>,
        /// The scales.
        scales: Tensor,
    },
    /// Bytes become images of bytes.
    Pack(Border),
    /// Images of bytes become bytes: batch, channels, positions.
    Unpack([usize; 3]),
}

/// Images within a value: batch, channels, and the sizes of three axes.
pub(super) type Images = (usize, usize, [usize; 3]);

/// Products, and what they take over.
pub(super) struct Site {
    shape: ConvShape,
    weight: Tensor,
    bias: Option<Tensor>,
    bounds: Option<(f64, f64)>,
    pub(super) x: Operand,
    pub(super) residual: Option<ValueId>,
    /// The equations that become one, of which the last makes the result.
    pub(super) equations: Vec<usize>,
    result: ValueId,
}

/// A maximum over windows whose input and result are bytes.
pub(super) struct Maxima {
    shape: ConvShape,
    pub(super) x: ValueId,
    result: ValueId,
}

/// What is to be done, by the equation that is replaced.
#[derive(Default)]
pub(super) struct Sites {
    pub(super) products: HashMap<usize, Site>,
    pub(super) maxima: HashMap<usize, Maxima>,
    /// Values that are read as images of bytes.
    wanted: HashSet<(ValueId, Images)>,
}

/// A value whose range is needed to quantize a graph.
pub(super) struct Observed {
    pub(super) value: ValueId,
    /// See [`Ranges`].
    pub(super) name: String,
    /// The range that fake quantization had there.
    pub(super) learned: Option<(f32, f32)>,
}

/// The values whose ranges are needed to quantize the graph, out of which fake quantization is taken.
pub(super) fn observed(graph: &mut Graph) -> Vec<Observed> {
    let learned = take_learned(graph);
    let names = names(graph, &sites(graph, &|_| true));
    names.into_iter().map(|(value, name)| Observed { value, name, learned: learned.get(&value).copied() }).collect()
}

/// Gives products weights of bytes, and nothing else.
pub(super) fn weights(graph: &mut Graph) -> Result<()> {
    for at in 0..graph.equations.len() {
        let Some(OnBytes::Products { weight, bias, .. }) = on_bytes(graph, at) else { continue };
        let Equation { inputs, .. } = &graph.equations[at];
        if weight.rank() == 2 {
            let (op, others) = weight_quantized_linear::op(&weight, bias.as_ref())?;
            let others: Vec<Operand> = others.iter().map(|tensor| constant(graph, tensor)).collect();
            let equation = &mut graph.equations[at];
            equation.what = What::Op(op);
            equation.inputs.truncate(1);
            equation.inputs.extend(others);
        } else if inputs[1].layout.is_contiguous() {
            graph.equations[at].inputs[1] = constant(graph, &SignedBytes::of(&weight)?.numbers());
        }
    }
    Ok(())
}

/// Gives dense layers weights of bytes.
pub(super) fn dynamic(graph: &mut Graph, memo: &mut Memo) -> Result<()> {
    for at in 0..graph.equations.len() {
        let Some(OnBytes::Products { shape, weight, bias, bounds: None }) = on_bytes(graph, at) else { continue };
        if weight.rank() != 2 || !suits(&shape) {
            continue;
        }
        let op = dynamic_quantized_linear::op(&weight);
        let others = packed(&shape, None, weight, bias, memo)?;
        let others: Vec<Operand> = others.iter().map(|tensor| constant(graph, tensor)).collect();
        let equation = &mut graph.equations[at];
        equation.what = What::Op(op);
        equation.inputs.truncate(1);
        equation.inputs.extend(others);
    }
    Ok(())
}

/// Makes products of bytes of those whose ranges are known.
pub(super) fn quantize(graph: &mut Graph, ranges: &Ranges, memo: &mut Memo) -> Result<()> {
    let named = observed(graph).into_iter();
    let ranges: HashMap<ValueId, (f32, f32)> =
        named.filter_map(|observed| Some((observed.value, *ranges.get(&observed.name)?))).collect();
    let sites = sites(graph, &|value| ranges.contains_key(&value));
    let replaced: HashSet<usize> = sites
        .products
        .values()
        .flat_map(|site| site.equations.iter().copied())
        .chain(sites.maxima.keys().copied())
        .collect();
    let still_read = read_as_numbers(graph, &sites, &replaced);
    let old = std::mem::take(&mut graph.equations);
    let scales = ranges.iter().map(|(&value, &(low, high))| (value, ByteScale::of_range(low, high))).collect();
    let mut rewriting = Rewriting { graph, sites: &sites, scales, bytes: HashMap::new(), still_read };
    for (at, equation) in old.into_iter().enumerate() {
        if let Some(site) = sites.products.get(&at) {
            rewriting.products(site, equation.module, memo)?;
        } else if let Some(maxima) = sites.maxima.get(&at) {
            rewriting.maxima(maxima, equation.module);
        } else if !replaced.contains(&at) {
            rewriting.graph.equations.push(equation);
        }
    }
    Ok(())
}

pub(super) fn on_bytes(graph: &Graph, at: usize) -> Option<OnBytes> {
    let Equation { what: What::Op(op), inputs, .. } = &graph.equations[at] else { return None };
    let metas: Vec<Meta> = inputs.iter().map(Operand::meta).collect();
    op.rewrites().on_bytes(&metas, &constants(graph, at))
}

/// A weight as bytes, as inputs of an op.
fn packed(
    shape: &ConvShape,
    kept: Option<[Range<usize>; 3]>,
    weight: Tensor,
    bias: Option<Tensor>,
    memo: &mut Memo,
) -> Result<Vec<Tensor>> {
    let what = format!("as bytes in {} groups, {kept:?} of the kernel", shape.groups);
    memo.of(&what, &[Some(weight.clone()), bias.clone()], || prepare(shape, kept, &weight, bias.as_ref()))
}

pub(super) fn images(shape: &ConvShape) -> Images {
    (shape.batch, shape.in_channels, shape.input)
}

pub(super) fn results(shape: &ConvShape) -> Images {
    (shape.batch, shape.out_channels, shape.output)
}

/// Finds what can be done with values that may become bytes, from the last equation to the first: what reads a value as
/// bytes is known when the equation that makes it is met.
fn sites(graph: &Graph, may: &dyn Fn(ValueId) -> bool) -> Sites {
    let mut sites = Sites::default();
    let mut readers: HashMap<ValueId, Vec<usize>> = HashMap::new();
    for (at, equation) in graph.equations.iter().enumerate() {
        equation.inputs.iter().for_each(|o| readers.entry(o.value).or_default().push(at));
    }
    // The only equation that reads a value.
    let reader = |value: ValueId| match readers.get(&value).map(Vec::as_slice) {
        Some(&[at]) if graph.outputs.iter().all(|o| o.value != value) => Some(at),
        _ => None,
    };
    for at in (0..graph.equations.len()).rev() {
        match on_bytes(graph, at) {
            Some(OnBytes::Products { shape, weight, bias, bounds }) if suits(&shape) => {
                let equation = &graph.equations[at];
                let x = equation.inputs[0].clone();
                if x.dtype != DType::F32 || !may(x.value) {
                    continue;
                }
                let result = equation.outputs[0];
                let mut site = Site { shape, weight, bias, bounds, x, residual: None, equations: vec![at], result };
                let taken = |at: usize| sites.products.values().any(|site| site.equations.contains(&at));
                extend(graph, &mut site, &|value| reader(value).filter(|&at| !taken(at)), may);
                if let Some(residual) = site.residual {
                    sites.wanted.insert((residual, results(&shape)));
                }
                sites.wanted.insert((site.x.value, images(&shape)));
                sites.products.insert(site.equations[site.equations.len() - 1], site);
            }
            Some(OnBytes::Maxima(shape)) => {
                let equation = &graph.equations[at];
                let (x, result) = (&equation.inputs[0], equation.outputs[0]);
                let places = equation.outputs.iter().skip(1).any(|value| readers.contains_key(value));
                let wanted = sites.wanted.contains(&(result, results(&shape)));
                if wanted && !places && graph.is_whole(x) && may(x.value) {
                    sites.wanted.insert((x.value, images(&shape)));
                    sites.maxima.insert(at, Maxima { shape, x: x.value, result });
                }
            }
            _ => (),
        }
    }
    sites
}

/// Lets products take over the sum with another value, and bounds, behind them.
fn extend(graph: &Graph, site: &mut Site, reader: &dyn Fn(ValueId) -> Option<usize>, may: &dyn Fn(ValueId) -> bool) {
    let whole = |operand: &Operand| graph.is_whole(operand);
    if site.bounds.is_none()
        && let Some(at) = reader(site.result)
        && let Some(OnBytes::Sum) = on_bytes(graph, at)
        && let [a, b] = &graph.equations[at].inputs[..]
        && a.layout.shape == b.layout.shape
        && a.dtype == DType::F32
        && whole(a)
        && whole(b)
    {
        let other = if a.value == site.result { b.value } else { a.value };
        if other != site.result && may(other) {
            (site.residual, site.result) = (Some(other), graph.equations[at].outputs[0]);
            site.equations.push(at);
        }
    }
    if site.bounds.is_none()
        && let Some(at) = reader(site.result)
        && let Equation { what: What::Op(op), inputs, outputs, .. } = &graph.equations[at]
        && let Some(bounds) = op.rewrites().bounds()
        && whole(&inputs[0])
    {
        (site.bounds, site.result) = (Some(bounds), outputs[0]);
        site.equations.push(at);
    }
}

/// The values that are read otherwise than as the images of bytes that they are made as.
fn read_as_numbers(graph: &Graph, sites: &Sites, replaced: &HashSet<usize>) -> HashSet<ValueId> {
    let left = graph.equations.iter().enumerate().filter(|(at, _)| !replaced.contains(at));
    let operands = left.flat_map(|(_, equation)| &equation.inputs).chain(&graph.outputs);
    let views = sites.products.values().map(|site| &site.x).filter(|x| !graph.is_whole(x));
    let products = sites.products.values().map(|site| (site.result, results(&site.shape)));
    let maxima = sites.maxima.values().map(|maxima| (maxima.result, results(&maxima.shape)));
    let made: HashMap<ValueId, Images> = products.chain(maxima).collect();
    let otherwise = |(value, images): &&(ValueId, Images)| made.get(value).is_some_and(|made| made != images);
    let others = sites.wanted.iter().filter(otherwise).map(|&(value, _)| value);
    operands.chain(views).map(|operand| operand.value).chain(others).collect()
}

/// The graph as it is written anew.
struct Rewriting<'a> {
    graph: &'a mut Graph,
    sites: &'a Sites,
    scales: HashMap<ValueId, ByteScale>,
    /// Values that are there as images of bytes.
    bytes: HashMap<(ValueId, Images), ValueId>,
    still_read: HashSet<ValueId>,
}

impl Rewriting<'_> {
    /// An operand as images of bytes; numbers are converted.
    fn as_bytes(&mut self, x: &Operand, images: Images) -> ValueId {
        let known = self.graph.is_whole(x).then_some((x.value, images));
        if let Some(&bytes) = known.and_then(|key| self.bytes.get(&key)) {
            return bytes;
        }
        let bytes = self.converted(x, images, [(0, 0); 3]);
        if let Some(key) = known {
            self.bytes.insert(key, bytes);
        }
        bytes
    }

    /// An operand converted to images of bytes with a border.
    fn converted(&mut self, x: &Operand, (batch, channels, size): Images, added: [(usize, usize); 3]) -> ValueId {
        let border = Border { batch, channels, size, added };
        let [d, h, w] = border.padded();
        let meta = Meta::new([batch, d, h, w, pitch(channels)], DType::U8);
        let op = quantize_images::op(border, self.scales[&x.value]);
        self.graph.push(op, vec![x.clone()], meta, None)
    }

    fn products(&mut self, site: &Site, module: Option<String>, memo: &mut Memo) -> Result<()> {
        let Site { shape: whole, result, .. } = *site;
        // What only meets padding adds nothing to exact sums.
        let (mut shape, kept) = whole.trimmed().map_or((whole, None), |(shape, kept)| (shape, Some(kept)));
        let x_scale = self.scales[&site.x.value];
        let known = self.graph.is_whole(&site.x) && self.bytes.contains_key(&(site.x.value, images(&shape)));
        let x = match border(&shape).filter(|_| !known) {
            // Few channels are converted with their padding, so that the rows of a kernel are read as a whole.
            Some(added) => {
                let x = self.converted(&site.x, images(&shape), added);
                shape = bordered(&shape, added);
                x
            }
            None => self.as_bytes(&site.x, images(&shape)),
        };
        let mut inputs = vec![self.graph.whole(x)];
        let others = packed(&shape, kept, site.weight.clone(), site.bias.clone(), memo)?;
        inputs.extend(others.iter().map(|tensor| constant(self.graph, tensor)));
        if let Some(residual) = site.residual {
            let operand = self.graph.whole(residual);
            let bytes = self.as_bytes(&operand, results(&shape));
            inputs.push(self.graph.whole(bytes));
        }
        let bytes = self.sites.wanted.contains(&(result, results(&shape))).then(|| self.scales.get(&result).copied());
        let bytes = bytes.flatten();
        let meta = self.graph.values[result].meta.clone();
        let ending = quantized_convolution::Ending {
            residual: site.residual.map(|residual| self.scales[&residual]),
            bounds: site.bounds,
            bytes,
            shape: meta.shape,
        };
        let op = quantized_convolution::op(shape, x_scale, ending);
        match bytes {
            Some(scale) => self.bytes_of(result, results(&shape), op, inputs, scale, module),
            None => self.graph.equations.push(Equation { what: What::Op(op), inputs, outputs: vec![result], module }),
        }
        Ok(())
    }

    fn maxima(&mut self, maxima: &Maxima, module: Option<String>) {
        let shape = maxima.shape;
        let (x, scale) = (self.graph.whole(maxima.x), self.scales[&maxima.x]);
        let x = self.as_bytes(&x, images(&shape));
        let inputs = vec![self.graph.whole(x)];
        // The bytes are some of those of the input, whatever range was observed behind it.
        self.scales.insert(maxima.result, scale);
        self.bytes_of(maxima.result, results(&shape), quantized_max_pool::op(shape), inputs, scale, module);
    }

    /// An equation that makes images of bytes, and the numbers that they stand for where something still reads them.
    fn bytes_of(
        &mut self,
        result: ValueId,
        images: Images,
        op: Arc<dyn Op>,
        inputs: Vec<Operand>,
        scale: ByteScale,
        module: Option<String>,
    ) {
        let (batch, channels, size) = images;
        let [d, h, w] = size;
        let meta = Meta::new([batch, d, h, w, pitch(channels)], DType::U8);
        let bytes = self.graph.push(op, inputs, meta, module.clone());
        self.bytes.insert((result, images), bytes);
        if self.still_read.contains(&result) {
            let shape = self.graph.values[result].meta.shape.clone();
            let op = dequantize_images::op([batch, channels, d * h * w], &shape, scale);
            let inputs = vec![self.graph.whole(bytes)];
            self.graph.equations.push(Equation { what: What::Op(op), inputs, outputs: vec![result], module });
        }
    }
}
