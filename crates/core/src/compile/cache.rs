//! The graphs of one function: one for each shape of its arguments that it has met.

use super::memo::Memo;
use super::run::Program;
use super::trace::{self, Guards};
use super::{Graph, Int8, bytes, check, constants, fuse, images, quantize, rewrite, simplify, views};
use crate::tensor::Meta;
use crate::{Error, Result, Tensor, check as anomalies, grad, warn_once};
use std::sync::{Arc, Mutex};

/// The most graphs that are kept.
const KEPT: usize = 16;

/// Traces a function of any number of tensors when it meets new shapes, and runs its graph from then on: what
/// [`compile`](crate::compile()) keeps beside a function.
///
/// It must be given the same function every time.
#[derive(Default)]
pub struct Graphs {
    kept: Mutex<Vec<Arc<Kept>>>,
    inference: bool,
    int8: Option<Int8>,
    /// What was made of constants for one graph serves the others.
    memo: Mutex<Memo>,
}

/// A graph, and what it was traced for.
pub(super) struct Kept {
    arguments: Vec<Meta>,
    recording: bool,
    guards: Arc<Guards>,
    program: Program,
    /// Whether ops are yet to be prepared.
    unprepared: bool,
}

impl Kept {
    pub(crate) fn graph(&self) -> &Graph {
        &self.program.graph
    }

    pub(crate) fn memory(&self) -> usize {
        self.program.memory()
    }

    /// The same, run in another way.
    fn with(&self, program: Program) -> Kept {
        let (arguments, guards) = (self.arguments.clone(), self.guards.clone());
        Kept { arguments, recording: self.recording, guards, program, unprepared: false }
    }

    fn fits(&self, arguments: &[Tensor]) -> bool {
        let same = |(meta, t): (&Meta, &Tensor)| meta.shape == *t.shape() && meta.dtype == t.dtype();
        self.recording == grad::enabled()
            && self.arguments.len() == arguments.len()
            && self.arguments.iter().zip(arguments).all(same)
            && self.guards.hold()
    }
}

/// A pass over a graph.
type Pass = fn(&mut Graph, &mut Memo);

/// The passes before those that settle how ops are run.
const EXACT: [Pass; 6] = [
    |graph, _| simplify::simplify(graph),
    |graph, _| views::views(graph),
    constants::fold_constants,
    |graph, _| bytes::keep_packed(graph),
    |graph, _| rewrite::gate_maxima(graph),
    |graph, _| rewrite::bound(graph),
];
/// The same for inference; affine maps are folded before bounds, which stand behind them.
const FOR_INFERENCE: [Pass; 7] = [
    |graph, _| simplify::simplify(graph),
    |graph, _| views::views(graph),
    bytes::multiply_bytes,
    |graph, _| bytes::keep_packed(graph),
    constants::fold_constants,
    |graph, _| rewrite::fold_affine(graph),
    |graph, _| rewrite::bound(graph),
];
/// The passes that settle how ops are run.
const SETTLING: [Pass; 2] = [|graph, _| images::channels_last(graph), |graph, _| fuse::fuse(graph)];
/// The passes that do ahead of runs what depends on constants alone.
const PREPARING: [Pass; 2] = [rewrite::prepare, constants::keep_rest];

fn run_passes(passes: &[Pass], graph: &mut Graph, memo: &mut Memo) {
    for pass in passes {
        pass(graph, memo);
        hold_to_rules(graph);
    }
}

/// Every pass leaves a graph that keeps the rules; looked at in debug builds.
fn hold_to_rules(graph: &Graph) {
    if cfg!(debug_assertions)
        && let Err(wrong) = check::check(graph)
    {
        panic!("{wrong} in\n{graph}");
    }
}

/// Sees the name of a value (see [`Ranges`](super::Ranges)), the value, and the range that it has in a model which learned
/// with fake quantization.
pub type Visit<'a> = &'a mut dyn FnMut(&str, &Tensor, Option<(f32, f32)>);

/// A function of any number of tensors.
pub type Function<'a> = &'a dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>;

impl Graphs {
    /// Takes parameters for constants: see [`Compiled::for_inference`](super::Compiled::for_inference).
    pub fn for_inference(&mut self) {
        self.inference = true;
    }

    /// Quantizes, for inference: see [`Int8`].
    pub fn quantize(&mut self, int8: Int8) {
        (self.inference, self.int8) = (true, Some(int8));
    }

    /// Runs the function as a graph for inference that is not quantized, and calls `visit` with each value whose range
    /// [`Int8::Static`] needs: what calibration learns from. A model that learned with fake quantization knows some ranges.
    pub fn observe(&self, arguments: &[&Tensor], f: Function, visit: Visit) -> Result<()> {
        let arguments: Vec<Tensor> = arguments.iter().map(|t| grad::no_grad(|| t.contiguous())).collect();
        let metas: Vec<Meta> = arguments.iter().map(Tensor::meta).collect();
        let (mut graph, _) = trace::trace(&metas, true, f)?;
        let memo = &mut Memo::default();
        run_passes(&FOR_INFERENCE, &mut graph, memo);
        constants::settle(&mut graph, memo);
        let observed = quantize::observed(&mut graph);
        let values: Vec<usize> = observed.iter().map(|observed| observed.value).collect();
        Program::new(graph).observe(&arguments, &values, &mut |value, x| {
            let found = observed.iter().find(|observed| observed.value == value);
            found.into_iter().for_each(|observed| visit(&observed.name, x, observed.learned));
        })
    }

    /// Calls the function.
    pub fn call(&self, arguments: &[&Tensor], f: Function) -> Result<Vec<Tensor>> {
        // Inside of another trace the function is a part of that; anomalies are looked for op by op.
        if trace::is_tracing() || anomalies::finite_values() {
            return f(&arguments.iter().map(|&t| t.clone()).collect::<Vec<_>>());
        }
        if let Some(i) = arguments.iter().position(|t| grad::enabled() && t.has_grad()) {
            let message = format!(
                "got argument {i} with history, and no gradient flows out of a compiled function: call backward inside of \
                 it, or pass .detach()"
            );
            return Err(Error::op("compile", message));
        }
        let arguments: Vec<Tensor> = arguments.iter().map(|t| grad::no_grad(|| t.contiguous())).collect();
        self.traced(&arguments, false, f)?.program.run(&arguments)
    }

    /// The number of graphs that are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.lock().unwrap_or_else(|e| e.into_inner()).len()
    }

    /// The bytes of the constants of all graphs.
    #[cfg(test)]
    pub(super) fn constant_bytes(&self) -> usize {
        let all = self.kept.lock().unwrap_or_else(|e| e.into_inner());
        let values = all.iter().flat_map(|kept| &kept.program.graph.values);
        let buffers =
            values.filter_map(|value| value.constant.as_ref()).map(|buffer| (Arc::as_ptr(buffer), buffer.len()));
        buffers.collect::<std::collections::HashMap<_, _>>().values().sum()
    }

    /// The graph for arguments like these, after all passes.
    pub(super) fn kept(&self, arguments: &[Tensor], f: Function) -> Result<Arc<Kept>> {
        self.traced(arguments, true, f)
    }

    /// The graph for arguments like these. A first graph for inference is run once as it is unless it is to be `prepared`:
    /// to scale and pack all weights takes longer than one run with weights as they are in their file, and memory for all.
    fn traced(&self, arguments: &[Tensor], prepared: bool, f: Function) -> Result<Arc<Kept>> {
        let lock = || self.kept.lock().unwrap_or_else(|e| e.into_inner());
        let mut all = lock();
        if let Some(at) = all.iter().position(|kept| kept.fits(arguments)) {
            // The one used last comes first.
            all[..=at].rotate_right(1);
            let kept = all[0].clone();
            drop(all);
            return Ok(if kept.unprepared { self.prepare(&kept) } else { kept });
        }
        let first = all.is_empty();
        drop(all);
        let arguments: Vec<Meta> = arguments.iter().map(Tensor::meta).collect();
        let recording = grad::enabled();
        let (mut graph, guards) = trace::trace(&arguments, self.inference, f)?;
        let mut memo = self.memo.lock().unwrap_or_else(|e| e.into_inner());
        memo.begin();
        if self.inference {
            // The weights of before are not kept beside the new ones.
            let mut all = lock();
            let count = all.len();
            all.retain(|kept| kept.guards.hold());
            if all.len() < count {
                *memo = Memo::default();
            }
        }
        run_passes(if self.inference { &FOR_INFERENCE } else { &EXACT }, &mut graph, &mut memo);
        if let Some(int8) = &self.int8 {
            constants::settle(&mut graph, &mut memo);
            match int8 {
                Int8::Weights => quantize::weights(&mut graph)?,
                Int8::Dynamic => quantize::dynamic(&mut graph, &mut memo)?,
                Int8::Static(ranges) => quantize::quantize(&mut graph, ranges, &mut memo)?,
            }
        }
        hold_to_rules(&graph);
        let unprepared = first && self.inference && self.int8.is_none() && !prepared;
        run_passes(&SETTLING, &mut graph, &mut memo);
        if !unprepared {
            run_passes(&PREPARING, &mut graph, &mut memo);
        }
        memo.begin();
        drop(memo);
        let (guards, program) = (Arc::new(guards), Program::new(graph));
        let kept = Arc::new(Kept { arguments, recording, guards, program, unprepared });
        let mut all = lock();
        all.insert(0, kept.clone());
        if all.len() > KEPT {
            warn_of_retracing(&all);
            all.pop();
        }
        Ok(kept)
    }

    /// Prepares the ops of a graph that has been run as it is, and keeps it in place of that.
    fn prepare(&self, kept: &Arc<Kept>) -> Arc<Kept> {
        let mut graph = kept.program.graph.clone();
        let mut memo = self.memo.lock().unwrap_or_else(|e| e.into_inner());
        memo.begin();
        run_passes(&PREPARING, &mut graph, &mut memo);
        memo.begin();
        drop(memo);
        let prepared = Arc::new(kept.with(Program::new(graph)));
        let mut all = self.kept.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(place) = all.iter_mut().find(|other| Arc::ptr_eq(other, kept)) {
            *place = prepared.clone();
        }
        prepared
    }
}

/// Says which sizes keep changing.
fn warn_of_retracing(all: &[Arc<Kept>]) {
    let mut changing = Vec::new();
    for (i, meta) in all[0].arguments.iter().enumerate() {
        for axis in 0..meta.shape.rank() {
            let size = |kept: &Kept| kept.arguments[i].shape.get(axis).copied();
            let mut sizes: Vec<usize> = all.iter().filter_map(|kept| size(kept)).collect();
            sizes.sort();
            sizes.dedup();
            if sizes.len() > 2 {
                let shown: Vec<String> = sizes.iter().take(4).map(usize::to_string).collect();
                changing.push(format!("axis {axis} of argument {i} ({}, …)", shown.join(", ")));
            }
        }
    }
    let what = if changing.is_empty() { "its parameters or modes".to_owned() } else { changing.join(" and ") };
    let message = format!(
        "compile: a function was traced for the {}th time, because {what} keeps changing; each trace costs about as much as \
         a call. Pad to a few sizes, or call the function itself for the odd ones",
        KEPT + 1
    );
    warn_once("retracing", &message);
}
