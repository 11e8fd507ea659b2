//! `compile`: a function of tensors, traced once and run as a graph from then on.
//!
//! The passes, one file each: `trace` → `simplify` → `views` → `bytes` and `constants` → `rewrite` (→ `quantize`) → `images` →
//! `fuse` → `plan` → `run`, over the `graph`. After each pass, in debug builds, `check` holds the graph to its rules. `docs/compile.md` tells the whole
//! story.

mod bytes;
mod cache;
mod check;
mod constants;
mod fuse;
pub(crate) mod graph;
mod images;
mod inference;
mod memo;
mod picture;
mod plan;
mod quantize;
mod ranges;
mod results;
mod rewrite;
mod run;
mod simplify;
mod tiles;
mod trace;
mod views;

pub use cache::{Function, Graphs, Visit};
pub use graph::Graph;
pub use memo::Memo;
pub use quantize::{Int8, OnBytes};
pub use ranges::Ranges;
pub use results::Results;
pub(crate) use rewrite::AsItIs;
pub use rewrite::{ChannelsLast, Part, Rewrites};
pub(crate) use trace::{born, equation, guard_mode, load, no_value, store, unknown};
pub use trace::{deferred, effect, is_tracing, outside_trace};

use crate::{Meta, Result, Tensor};
use cache::Kept;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A function that is traced when it meets arguments of new shapes, and from then on run as a graph.
///
/// Made by [`compile`].
pub struct Compiled<F> {
    function: F,
    graphs: Graphs,
}

/// Compiles a function of `N` tensors: inference, a loss, or a whole training step with backward and optimizer.
///
/// The first call with arguments of given shapes and types *traces* the function: it runs once on stand-ins that have no
/// elements, and every op is recorded instead of being computed. Calls then run the recorded graph, with the same bits as
/// the function itself, without a tape, without allocations for intermediate values, and with elementwise ops joined.
///
/// Parameters, running statistics, an optimizer's moments and the random generators are found by themselves: a graph
/// reads and changes them as the function does. What else the function looks at (numbers, flags, the time) is what it was
/// when it was traced; a layer that changes its mode, or a parameter that is frozen, leads to a new trace.
///
/// ```
/// use hadal_core::{Param, Tensor, compile};
/// let weight = Param::new(Tensor::from([3.0f32, -1.0]));
/// let loss_and_gradient = compile(|[x]: [&Tensor; 1]| {
///     let loss = (weight.get() * x).square().sum(..);
///     let gradients = loss.backward();
///     (loss, gradients.get(&weight).unwrap().clone())
/// });
/// let x = Tensor::from([1.0f32, 2.0]);
/// let (loss, gradient) = loss_and_gradient.call([&x]);
/// assert_eq!((loss.item::<f32>(), gradient.to_vec::<f32>()), (13.0, vec![6.0, -8.0]));
/// ```
///
/// Within the function no element can be read ([`Tensor::item`] and the like): that is an error that says so. Ops whose
/// result's shape depends on elements (`nonzero`, `masked_select`, `unique`) cannot be traced either.
pub fn compile<const N: usize, R: Results, F: Fn([&Tensor; N]) -> R>(function: F) -> Compiled<F> {
    Compiled { function, graphs: Graphs::default() }
}

/// The shapes and types of what a function gives for arguments like these, without computing it.
///
/// # Errors
/// What the function refuses, and what cannot be traced.
pub fn shapes(arguments: &[Meta], f: Function) -> Result<Vec<Meta>> {
    let (graph, _) = trace::trace(arguments, false, f)?;
    Ok(graph.outputs.iter().map(graph::Operand::meta).collect())
}

impl<F> Compiled<F> {
    /// For predictions with weights that stay: parameters and running statistics become constants.
    ///
    /// What depends on them alone is computed once; weights of convolutions, and of dense layers with few rows, are
    /// packed once, at the second call; batch normalization is folded into the convolution before it. The last is the one thing here that changes how results are rounded:
    /// [`Compiled::difference`] measures it. A parameter that gets another value leads to a new trace.
    pub fn for_inference(mut self) -> Compiled<F> {
        self.graphs.for_inference();
        self
    }

    /// [`Compiled::for_inference`] with weights and images of bytes: see [`Int8`].
    pub fn quantized(mut self, int8: Int8) -> Compiled<F> {
        self.graphs.quantize(int8);
        self
    }

    /// The largest difference between what the graph and the function itself give for these arguments, both as `f64`:
    /// 0 but for what [`Compiled::for_inference`] rounds otherwise.
    pub fn difference<const N: usize, R: Results>(&self, arguments: [&Tensor; N]) -> Result<f64>
    where
        F: Fn([&Tensor; N]) -> R,
    {
        let found = self.graphs.call(&arguments, &|arguments| self.listed(arguments))?;
        let expected = (self.function)(arguments).into_tensors()?;
        let differences = found.iter().zip(&expected).flat_map(|(a, b)| {
            let (a, b) = (a.to_f64_vec(), b.to_f64_vec());
            a.into_iter().zip(b).map(|(a, b)| if a == b { 0.0 } else { (a - b).abs() })
        });
        Ok(differences.fold(0.0, |a: f64, b| if b.is_nan() || a.is_nan() { f64::NAN } else { a.max(b) }))
    }

    /// Calls the function.
    ///
    /// # Panics
    /// At the caller's line for what the function itself panics for, unless it returns a `Result`; if an argument has
    /// history, since no gradient flows out of a compiled function.
    #[track_caller]
    pub fn call<const N: usize, R: Results>(&self, arguments: [&Tensor; N]) -> R
    where
        F: Fn([&Tensor; N]) -> R,
    {
        R::from_tensors(self.graphs.call(&arguments, &|arguments| self.listed(arguments)))
    }

    /// The graph for arguments like these, after all passes.
    pub fn graph<const N: usize, R: Results>(&self, arguments: [&Tensor; N]) -> Result<CompiledGraph>
    where
        F: Fn([&Tensor; N]) -> R,
    {
        let kept = self.graphs.kept(&arguments.map(Tensor::detach), &|arguments| self.listed(arguments));
        kept.map(CompiledGraph)
    }

    /// The function, of a list of arguments.
    fn listed<const N: usize, R: Results>(&self, arguments: &[Tensor]) -> Result<Vec<Tensor>>
    where
        F: Fn([&Tensor; N]) -> R,
    {
        (self.function)(std::array::from_fn(|i| &arguments[i])).into_tensors()
    }
}

/// A graph as [`Compiled::graph`] gives it.
pub struct CompiledGraph(Arc<Kept>);

impl CompiledGraph {
    /// The bytes that a run needs for values between equations.
    pub fn memory(&self) -> usize {
        self.0.memory()
    }
}

impl fmt::Display for CompiledGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Deref for CompiledGraph {
    type Target = Graph;
    fn deref(&self) -> &Graph {
        self.0.graph()
    }
}

#[cfg(test)]
mod tests;
