//! Graphs in which bytes stand for numbers, as quantized models are written: products of dequantized bytes become products
//! of bytes.
//!
//! A convolution or dense layer whose input and weight are dequantized takes the bytes themselves; it takes over the sum with
//! dequantized bytes, the bounds and the quantization behind it. Sums are then exact, and results round once: that is for
//! inference. From one to the next, images of bytes stay in the form of products, through maxima of windows and sums of two
//! as well; between such ops in every graph, since that changes no bits.

use super::graph::{Equation, Graph, Operand, ValueId, What};
use super::memo::Memo;
use super::quantize::{Images, OnBytes, images, on_bytes, results};
use super::rewrite::{constant, constants};
use super::simplify::simplify;
use crate::DType;
use crate::op::{Op, values};
use crate::ops::quantized::{
    pack_images, quantize_images, quantized_convolution, quantized_max_pool, quantized_sum, unpack_images,
};
use crate::run::bytes::{ByteScale, border, bordered, prepare_exactly};
use crate::tensor::{Meta, Tensor};
use hadal_kernels::conv::ConvShape;
use hadal_kernels::quantized::{Border, pitch, suits};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Images of bytes that are taken apart and put together again stay as they are.
pub(super) fn keep_packed(graph: &mut Graph) {
    let mut packed: HashMap<ValueId, ([usize; 3], Operand)> = HashMap::new();
    let mut same: HashMap<ValueId, ValueId> = HashMap::new();
    for at in 0..graph.equations.len() {
        for operand in &mut graph.equations[at].inputs {
            operand.value = *same.get(&operand.value).unwrap_or(&operand.value);
        }
        let equation = &graph.equations[at];
        match on_bytes(graph, at) {
            Some(OnBytes::Unpack(sizes)) if graph.is_whole(&equation.inputs[0]) => {
                packed.insert(equation.outputs[0], (sizes, equation.inputs[0].clone()));
            }
            Some(OnBytes::Pack(Border { batch, channels, size, added })) if added == [(0, 0); 3] => {
                let bytes = &equation.inputs[0];
                let sizes = [batch, channels, size.iter().product()];
                if let Some((_, images)) = packed.get(&bytes.value).filter(|(unpacked, _)| *unpacked == sizes)
                    && is_all(graph, bytes)
                    && graph.values[images.value].meta == graph.values[equation.outputs[0]].meta
                {
                    same.insert(equation.outputs[0], images.value);
                }
            }
            _ => (),
        }
    }
    if !same.is_empty() {
        graph.outputs.iter_mut().for_each(|o| o.value = *same.get(&o.value).unwrap_or(&o.value));
        simplify(graph);
    }
}

/// Whether an operand is all of a value in its order, in whatever shape.
fn is_all(graph: &Graph, operand: &Operand) -> bool {
    let value = &graph.values[operand.value];
    let (layout, all) = (&operand.layout, value.meta.shape.elements());
    layout.is_contiguous() && layout.offset == 0 && layout.shape.elements() == all && operand.dtype == value.meta.dtype
}

/// Bytes and what they stand for.
#[derive(Clone)]
struct Bytes {
    value: ValueId,
    scale: ByteScale,
}

/// Equations that become one.
struct Site {
    what: Work,
    /// The last of them makes the result.
    equations: Vec<usize>,
    result: ValueId,
    /// What the result stands for, if it is bytes.
    bytes: Option<ByteScale>,
}

/// What is done with bytes.
enum Work {
    Products {
        shape: ConvShape,
        x: Bytes,
        /// The inputs of the product behind the first.
        others: Vec<Tensor>,
        residual: Option<Bytes>,
        bounds: Option<(f64, f64)>,
    },
    Maxima {
        shape: ConvShape,
        x: Bytes,
    },
    Sum {
        images: Images,
        terms: [Bytes; 2],
        bounds: Option<(f64, f64)>,
    },
}

/// Makes products of bytes of those between dequantized bytes.
pub(super) fn multiply_bytes(graph: &mut Graph, memo: &mut Memo) {
    let sites = Reading::of(graph).sites(memo);
    if sites.is_empty() {
        return;
    }
    let replaced: HashSet<usize> = sites.iter().flat_map(|site| site.equations.iter().copied()).collect();
    let mut by_end: HashMap<usize, Site> =
        sites.into_iter().map(|site| (site.equations[site.equations.len() - 1], site)).collect();
    // The numbers that bytes were made of.
    let made = |at: usize| {
        let Some(OnBytes::ToBytes { .. }) = on_bytes(graph, at) else { return None };
        let Equation { inputs, outputs, .. } = &graph.equations[at];
        Some((outputs[0], inputs[0].clone()))
    };
    let sources = (0..graph.equations.len()).filter_map(made).collect();
    let old = std::mem::take(&mut graph.equations);
    let mut rewriting = Rewriting { graph, sources, images: HashMap::new() };
    for (at, equation) in old.into_iter().enumerate() {
        match by_end.remove(&at) {
            Some(site) => rewriting.site(site, equation.module),
            None if replaced.contains(&at) => (),
            None => rewriting.graph.equations.push(equation),
        }
    }
    simplify(graph);
}

/// A graph with what is known of its values.
struct Reading<'a> {
    graph: &'a Graph,
    /// The equation that makes a value.
    maker: HashMap<ValueId, usize>,
    /// The equations that read a value.
    readers: HashMap<ValueId, Vec<usize>>,
    outputs: HashSet<ValueId>,
    /// Equations that have become part of a site.
    taken: HashSet<usize>,
    /// Bytes that are there as images before they are taken apart.
    made: HashSet<ValueId>,
}

impl Reading<'_> {
    fn of(graph: &Graph) -> Reading<'_> {
        let (mut maker, mut readers) = (HashMap::new(), HashMap::<ValueId, Vec<usize>>::new());
        for (at, equation) in graph.equations.iter().enumerate() {
            maker.extend(equation.outputs.iter().map(|&value| (value, at)));
            equation.inputs.iter().for_each(|o| readers.entry(o.value).or_default().push(at));
        }
        let outputs = graph.outputs.iter().map(|o| o.value).collect();
        let unpacks = |at: &usize| matches!(on_bytes(graph, *at), Some(OnBytes::Unpack(_)));
        let made = (0..graph.equations.len()).filter(unpacks).map(|at| graph.equations[at].outputs[0]).collect();
        Reading { graph, maker, readers, outputs, taken: HashSet::new(), made }
    }

    fn sites(mut self, memo: &mut Memo) -> Vec<Site> {
        let mut sites = Vec::new();
        for at in 0..self.graph.equations.len() {
            let site = self.products(at, memo).or_else(|| self.maxima(at)).or_else(|| self.sum(at));
            if let Some(site) = site.filter(|site| !site.equations.iter().any(|at| self.taken.contains(at))) {
                self.taken.extend(site.equations.iter().copied());
                self.made.extend(site.bytes.map(|_| site.result));
                sites.push(site);
            }
        }
        sites
    }

    /// The equation that makes numbers of bytes, what those stand for if that is one thing for all, and their scales.
    fn dequantized(&self, operand: &Operand) -> Option<(usize, Option<ByteScale>, Tensor)> {
        let &at = self.maker.get(&operand.value)?;
        match on_bytes(self.graph, at)? {
            OnBytes::FromBytes { scale, scales } => Some((at, scale, scales)),
            _ => None,
        }
    }

    /// The bytes that an operand stands for, all of them in their order.
    fn bytes(&self, operand: &Operand) -> Option<Bytes> {
        let (at, scale, _) = self.dequantized(operand)?;
        let bytes = &self.graph.equations[at].inputs[0];
        let all = is_all(self.graph, operand) && is_all(self.graph, bytes);
        all.then_some(Bytes { value: bytes.value, scale: scale? })
    }

    /// The only equation that reads a value, if it reads all of it in its order.
    fn follower(&self, value: ValueId) -> Option<usize> {
        let [at] = self.readers.get(&value)?[..] else { return None };
        let mut reads = self.graph.equations[at].inputs.iter().filter(|o| o.value == value);
        (!self.outputs.contains(&value) && reads.all(|o| is_all(self.graph, o))).then_some(at)
    }

    fn products(&self, at: usize, memo: &mut Memo) -> Option<Site> {
        let Equation { what: What::Op(op), inputs, outputs, .. } = &self.graph.equations[at] else { return None };
        let [x, weight, ..] = &inputs[..] else { return None };
        let x = self.bytes(x)?;
        let (made_at, _, scales) = self.dequantized(weight)?;
        let What::Op(dequantize) = &self.graph.equations[made_at].what else { return None };
        let given = constants(self.graph, made_at);
        if given.iter().any(Option::is_none) {
            return None;
        }
        let metas: Vec<Meta> = inputs.iter().map(Operand::meta).collect();
        let mut known = constants(self.graph, at);
        let mut on_weight = |weight: Tensor| {
            known[1] = Some(weight);
            match op.rewrites().on_bytes(&metas, &known) {
                Some(OnBytes::Products { shape, weight, bias, bounds }) => Some((shape, weight, bias, bounds)),
                _ => None,
            }
        };
        // What is done does not depend on the weight's elements.
        let stand_in = Tensor::zeros(()).try_expand(&weight.layout.shape).ok()?;
        let (shape, _, bias, mut bounds) = on_weight(stand_in)?;
        if !suits(&shape) {
            return None;
        }
        let sources = [&given[..], &[bias]].concat();
        let mut pack = || {
            // The numbers that the bytes of the weight stand for, from which its bytes are found again in the form that the
            // op gives it.
            let numbers = values(&**dequantize, &given.iter().flatten().collect::<Vec<_>>()).ok()?.swap_remove(0);
            let (shape, weight, bias, _) = on_weight(weight.tensor(numbers.0.data.buffer.clone()))?;
            prepare_exactly(&shape, &weight, &scales.contiguous().to_vec::<f32>(), bias.as_ref())
        };
        let what = format!("{} in {} groups of bytes {:?}", op.name(), shape.groups, weight.layout);
        let others = memo.of(&what, &sources, || pack().ok_or(())).ok()?;
        let (mut equations, mut result, mut residual) = (vec![at], outputs[0], None);
        if bounds.is_none()
            && let Some(next) = self.follower(result)
            && let Some(OnBytes::Sum) = on_bytes(self.graph, next)
            && let [a, b] = &self.graph.equations[next].inputs[..]
            && a.layout.shape == b.layout.shape
            && a.value != b.value
            && let Some(other) = self.bytes(if a.value == result { b } else { a })
        {
            (residual, result) = (Some(other), self.graph.equations[next].outputs[0]);
            equations.push(next);
        }
        if bounds.is_none() {
            bounds = self.bounded(&mut equations, &mut result);
        }
        let bytes = self.quantized(&mut equations, &mut result);
        Some(Site { what: Work::Products { shape, x, others, residual, bounds }, equations, result, bytes })
    }

    /// The bounds behind a result, which they become part of.
    fn bounded(&self, equations: &mut Vec<usize>, result: &mut ValueId) -> Option<(f64, f64)> {
        let at = self.follower(*result)?;
        let Equation { what: What::Op(op), outputs, .. } = &self.graph.equations[at] else { return None };
        let bounds = op.rewrites().bounds()?;
        equations.push(at);
        *result = outputs[0];
        Some(bounds)
    }

    /// The quantization behind a result, which it becomes part of.
    fn quantized(&self, equations: &mut Vec<usize>, result: &mut ValueId) -> Option<ByteScale> {
        let at = self.follower(*result)?;
        let Some(OnBytes::ToBytes { scale, .. }) = on_bytes(self.graph, at) else { return None };
        equations.push(at);
        *result = self.graph.equations[at].outputs[0];
        Some(scale)
    }

    /// Maxima between bytes that stand for the same numbers before and behind.
    fn maxima(&self, at: usize) -> Option<Site> {
        let Equation { inputs, outputs, .. } = &self.graph.equations[at];
        let x = self.bytes(inputs.first()?)?;
        let OnBytes::Maxima(shape) = on_bytes(self.graph, at)? else { return None };
        let (mut equations, mut result) = (vec![at], *outputs.first()?);
        let bytes = self.quantized(&mut equations, &mut result)?;
        let dtype = |value: ValueId| self.graph.values[value].meta.dtype;
        let places = outputs[1..].iter().any(|value| self.readers.contains_key(value) || self.outputs.contains(value));
        let same = bytes == x.scale && dtype(result) == dtype(x.value);
        (same && !places).then_some(Site { what: Work::Maxima { shape, x }, equations, result, bytes: Some(bytes) })
    }

    /// The sum of bytes, of which some are there as images.
    fn sum(&self, at: usize) -> Option<Site> {
        let Some(OnBytes::Sum) = on_bytes(self.graph, at) else { return None };
        let Equation { inputs, outputs, .. } = &self.graph.equations[at];
        let terms = [self.bytes(inputs.first()?)?, self.bytes(inputs.get(1)?)?];
        let shape = &inputs[0].layout.shape;
        let [batch, channels, sizes @ ..] = &shape[..] else { return None };
        let missing = 3usize.checked_sub(sizes.len())?;
        if *shape != inputs[1].layout.shape || !terms.iter().any(|term| self.made.contains(&term.value)) {
            return None;
        }
        let size = std::array::from_fn(|i| if i < missing { 1 } else { sizes[i - missing] });
        let (mut equations, mut result) = (vec![at], outputs[0]);
        let bounds = self.bounded(&mut equations, &mut result);
        let bytes = self.quantized(&mut equations, &mut result)?;
        let what = Work::Sum { images: (*batch, *channels, size), terms, bounds };
        Some(Site { what, equations, result, bytes: Some(bytes) })
    }
}

/// The graph as it is written anew.
struct Rewriting<'a> {
    graph: &'a mut Graph,
    sources: HashMap<ValueId, Operand>,
    /// Bytes that are there as images.
    images: HashMap<(ValueId, Images), ValueId>,
}

impl Rewriting<'_> {
    /// Bytes as images.
    fn packed(&mut self, bytes: &Bytes, images: Images) -> Operand {
        let key = (bytes.value, images);
        if !self.images.contains_key(&key) {
            let packed = self.bordered(bytes, images, [(0, 0); 3]);
            self.images.insert(key, packed);
        }
        self.graph.whole(self.images[&key])
    }

    /// Bytes as images with a border of zero points.
    fn bordered(&mut self, bytes: &Bytes, (batch, channels, size): Images, added: [(usize, usize); 3]) -> ValueId {
        let border = Border { batch, channels, size, added };
        let [d, h, w] = border.padded();
        let meta = Meta::new([batch, d, h, w, pitch(channels)], DType::U8);
        // Numbers become images of bytes in one pass.
        let (op, operand) = match self.sources.get(&bytes.value) {
            Some(numbers) => (quantize_images::op(border, bytes.scale), numbers.clone()),
            None => (pack_images::op(border, bytes.scale.zero), self.graph.whole(bytes.value)),
        };
        self.graph.push(op, vec![operand], meta, None)
    }

    fn site(&mut self, site: Site, module: Option<String>) {
        let Site { what, result, bytes, .. } = site;
        let (op, inputs, made) = match what {
            Work::Products { shape, x, others, residual, bounds } => {
                let given = images(&shape);
                let added = border(&shape).filter(|_| !self.images.contains_key(&(x.value, given)));
                let (shape, packed) = match added {
                    Some(added) => {
                        let packed = self.bordered(&x, given, added);
                        (bordered(&shape, added), self.graph.whole(packed))
                    }
                    None => (shape, self.packed(&x, given)),
                };
                let mut inputs = vec![packed];
                inputs.extend(others.iter().map(|tensor| constant(self.graph, tensor)));
                inputs.extend(residual.as_ref().map(|residual| self.packed(residual, results(&shape))));
                let residual = residual.map(|residual| residual.scale);
                let ending = quantized_convolution::Ending {
                    residual,
                    bounds,
                    bytes,
                    shape: self.graph.values[result].meta.shape.clone(),
                };
                (quantized_convolution::op(shape, x.scale, ending), inputs, results(&shape))
            }
            Work::Maxima { shape, x } => {
                (quantized_max_pool::op(shape), vec![self.packed(&x, images(&shape))], results(&shape))
            }
            Work::Sum { images, terms, bounds } => {
                let inputs = terms.iter().map(|term| self.packed(term, images)).collect();
                let scale = bytes.expect("sums are of bytes");
                (quantized_sum::op([terms[0].scale, terms[1].scale], bounds, scale), inputs, images)
            }
        };
        match bytes {
            Some(_) => self.make(result, made, op, inputs, module),
            None => self.graph.equations.push(Equation { what: What::Op(op), inputs, outputs: vec![result], module }),
        }
    }

    /// An equation that makes images of bytes, and the bytes one channel after another, for what else reads them.
    fn make(&mut self, result: ValueId, images: Images, op: Arc<dyn Op>, inputs: Vec<Operand>, module: Option<String>) {
        let (batch, channels, [d, h, w]) = images;
        let made = Meta::new([batch, d, h, w, pitch(channels)], DType::U8);
        let packed = self.graph.push(op, inputs, made, module.clone());
        self.images.insert((result, images), packed);
        // What was made of numbers here is not made of them any more.
        self.sources.remove(&result);
        let op = unpack_images::op([batch, channels, d * h * w], &self.graph.values[result].meta);
        let inputs = vec![self.graph.whole(packed)];
        self.graph.equations.push(Equation { what: What::Op(op), inputs, outputs: vec![result], module });
    }
}
