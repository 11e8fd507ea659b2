//! The tape: nodes left by `apply`, and the walk back over them.
//!
//! A node's creation number is a topological order, so backward needs neither recursion nor sorting,
//! and gradients are summed in a fixed order. A node keeps data, never tensors, so there are no cycles.

use crate::gradients::Gradients;
use crate::op::Op;
use crate::tensor::{Data, Meta, Scalar, Tensor};
use crate::{Error, Result, check, compile, fallible, profile, scope};
use smallvec::SmallVec;
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// One gradient per input of an op; `None` where none flows (integers, masks).
pub type Grads = Vec<Option<Tensor>>;

/// Where a tensor with history came from: output `index` of `node`.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) node: Arc<Node>,
    pub(crate) index: usize,
}

impl Origin {
    /// Where the value of a leaf came from: nowhere.
    pub(crate) fn leaf(id: LeafId, meta: Meta) -> Origin {
        Origin { node: Node::leaf(id, meta), index: 0 }
    }
}

pub(crate) fn origin(node: &Option<Arc<Node>>, index: usize) -> Option<Origin> {
    node.clone().map(|node| Origin { node, index })
}

/// What a gradient rule reads, kept from the forward pass.
#[derive(Default)]
pub(crate) struct Saved {
    pub(crate) inputs: SmallVec<[Option<Data>; 3]>,
    pub(crate) outputs: SmallVec<[Option<Data>; 1]>,
}

/// One recorded op, or a leaf on which gradients end.
pub(crate) struct Node {
    sequence: u64,
    source: Source,
    edges: SmallVec<[Option<Origin>; 3]>,
    inputs: SmallVec<[Meta; 3]>,
    outputs: SmallVec<[Meta; 1]>,
    saved: Mutex<Option<Saved>>,
    hooks: Mutex<Vec<(usize, Hook)>>,
    /// The module that ran the op, remembered while anomalies are looked for, a profile is recorded or a function traced.
    module: Option<String>,
}

enum Source {
    Op(Arc<dyn Op>),
    Leaf(LeafId),
}

/// Names a leaf for as long as it lives: a parameter keeps its id through updates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub(crate) struct LeafId(u64);

type Hook = Box<dyn Fn(&Tensor) -> Option<Tensor> + Send + Sync>;

fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Relaxed)
}

impl LeafId {
    pub(crate) fn fresh() -> LeafId {
        LeafId(next_number())
    }
}

impl Node {
    fn leaf(id: LeafId, meta: Meta) -> Arc<Node> {
        let source = Source::Leaf(id);
        Node::record(source, SmallVec::new(), SmallVec::new(), SmallVec::from_elem(meta, 1), Saved::default())
    }

    pub(crate) fn of_op(
        op: Arc<dyn Op>,
        edges: SmallVec<[Option<Origin>; 3]>,
        inputs: SmallVec<[Meta; 3]>,
        outputs: SmallVec<[Meta; 1]>,
        saved: Saved,
    ) -> Arc<Node> {
        Node::record(Source::Op(op), edges, inputs, outputs, saved)
    }

    fn record(
        source: Source,
        edges: SmallVec<[Option<Origin>; 3]>,
        inputs: SmallVec<[Meta; 3]>,
        outputs: SmallVec<[Meta; 1]>,
        saved: Saved,
    ) -> Arc<Node> {
        let (saved, hooks) = (Mutex::new(Some(saved)), Mutex::default());
        let named = check::finite_values() || compile::is_tracing();
        let module = if named { scope::current() } else { profile::current_module() };
        Arc::new(Node { sequence: next_number(), source, edges, inputs, outputs, saved, hooks, module })
    }

    /// The leaf that this node is, if it is one.
    pub(crate) fn leaf_id(&self) -> Option<LeafId> {
        match self.source {
            Source::Leaf(id) => Some(id),
            Source::Op(_) => None,
        }
    }

    fn saved(&self) -> MutexGuard<'_, Option<Saved>> {
        self.saved.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Takes the edges out, so that a chain of a million nodes drops in constant stack.
impl Drop for Node {
    fn drop(&mut self) {
        let mut queue: Vec<Origin> = self.edges.drain(..).flatten().collect();
        while let Some(origin) = queue.pop() {
            if let Some(mut node) = Arc::into_inner(origin.node) {
                queue.extend(node.edges.drain(..).flatten());
            }
        }
    }
}

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

pub(crate) fn enabled() -> bool {
    ENABLED.get()
}

fn with_recording<R>(on: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ENABLED.set(self.0);
        }
    }
    let _restore = Restore(ENABLED.replace(on));
    f()
}

/// Runs `f` without recording: its results have no history and keep nothing alive.
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    with_recording(false, f)
}

/// Runs `f` with recording on, also inside [`no_grad`].
pub fn enable_grad<R>(f: impl FnOnce() -> R) -> R {
    with_recording(true, f)
}

/// What a gradient rule sees: the incoming gradients and what [`Op::reads`] asked to keep.
pub struct Grad<'a> {
    node: &'a Arc<Node>,
    saved: &'a Saved,
    incoming: SmallVec<[Option<Tensor>; 1]>,
    needed: SmallVec<[bool; 3]>,
}

impl Grad<'_> {
    /// The gradient of the result with respect to output `i`; zeros if nothing used that output.
    pub fn of(&self, i: usize) -> Tensor {
        let meta = &self.node.outputs[i];
        self.incoming[i].clone().unwrap_or_else(|| Tensor::zeros_with(&meta.shape, meta.dtype))
    }

    /// The gradient with respect to output `i`, if anything used that output.
    pub fn used(&self, i: usize) -> Option<&Tensor> {
        self.incoming[i].as_ref()
    }

    /// Whether a gradient for input `i` is of use to anybody.
    pub fn wants(&self, i: usize) -> bool {
        self.needed[i]
    }

    /// The gradient of input `i` if it is wanted, else `None`: the usual way to fill a rule's result.
    pub fn when(&self, i: usize, rule: impl FnOnce() -> Tensor) -> Option<Tensor> {
        self.wants(i).then(rule)
    }

    /// Shape and type of input `i` (always known, whatever `reads` says).
    pub fn meta(&self, i: usize) -> &Meta {
        &self.node.inputs[i]
    }

    /// The number of inputs.
    pub fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// Input `i` of the forward pass, with its history: rules differentiate again.
    pub fn input(&self, i: usize) -> Tensor {
        self.kept(&self.saved.inputs[i], "input", i, self.node.edges[i].clone())
    }

    /// Output `i` of the forward pass, with its history.
    pub fn output(&self, i: usize) -> Tensor {
        self.kept(&self.saved.outputs[i], "output", i, Some(Origin { node: self.node.clone(), index: i }))
    }

    fn kept(&self, data: &Option<Data>, what: &str, i: usize, origin: Option<Origin>) -> Tensor {
        let Some(data) = data else {
            let Source::Op(op) = &self.node.source else { unreachable!("a leaf has no rule") };
            panic!("{op:?}: the gradient reads {what} {i}, which `reads` does not declare")
        };
        Tensor::make(data.clone(), origin)
    }
}

/// Whether the graph survives the walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keep {
    /// What each node kept is freed as soon as it has been used.
    #[default]
    Nothing,
    /// The graph stays, and the gradients have history: they can be differentiated again.
    Graph,
}

#[fallible]
impl Tensor {
    /// Gradients of this scalar with respect to every parameter and leaf it was computed from.
    /// The graph is consumed on the way.
    pub fn backward(&self) -> Result<Gradients> {
        let seed = scalar_seed(self, "backward")?;
        walk(&[self], vec![seed], None, Keep::Nothing)
    }

    /// As [`Tensor::backward`], keeping the graph if asked: the gradients can then be differentiated again.
    pub fn backward_keeping(&self, keep: Keep) -> Result<Gradients> {
        let seed = scalar_seed(self, "backward")?;
        walk(&[self], vec![seed], None, keep)
    }

    /// Gradients of `sum(self * seed)`, for a tensor of any shape. `seed` has this tensor's shape.
    pub fn backward_from(&self, seed: &Tensor) -> Result<Gradients> {
        walk(&[self], vec![seed.clone()], None, Keep::Nothing)
    }
}

impl Tensor {
    /// The same value as a leaf of the graph: gradients with respect to it can be asked for.
    /// Integers and booleans have no gradient and are returned as they are.
    pub fn requires_grad(&self) -> Tensor {
        self.leaf(LeafId::fresh())
    }

    pub(crate) fn leaf(&self, id: LeafId) -> Tensor {
        if !self.dtype().is_float() {
            return self.detach();
        }
        Tensor::make(self.0.data.clone(), Some(Origin::leaf(id, self.meta())))
    }

    /// Whether this tensor has history, so that gradients flow through it.
    pub fn has_grad(&self) -> bool {
        self.0.origin.is_some()
    }

    /// Calls `hook` with this tensor's gradient during every backward walk; what it returns replaces the gradient.
    ///
    /// # Panics
    /// If the tensor has no history.
    #[track_caller]
    pub fn register_hook(&self, hook: impl Fn(&Tensor) -> Option<Tensor> + Send + Sync + 'static) {
        let Some(origin) = &self.0.origin else {
            panic!(
                "register_hook: this tensor has no history, so it never gets a gradient; call .requires_grad() first"
            )
        };
        let mut hooks = origin.node.hooks.lock().unwrap_or_else(|e| e.into_inner());
        hooks.push((origin.index, Box::new(hook)));
    }
}

fn scalar_seed(y: &Tensor, op: &str) -> Result<Tensor> {
    if y.elements() != 1 {
        let message = format!(
            "needs a scalar, got shape {}: reduce the loss with .mean(..) or .sum(..), or use backward_from(&seed)",
            y.shape()
        );
        return Err(Error::op(op, message));
    }
    Ok(Tensor::full_with(y.shape(), Scalar::Int(1), y.dtype()))
}

/// Gradients of `sum(y_i * seed_i)` with respect to `xs`, which may be any tensors of the graph.
///
/// A missing seed stands for 1 and needs a scalar output. An `x` that no output depends on is an error.
pub fn grad(ys: &[&Tensor], seeds: &[Option<&Tensor>], xs: &[&Tensor], keep: Keep) -> Result<Vec<Tensor>> {
    let mut gradients = partial_grad(ys, seeds, xs, keep)?;
    match gradients.iter().position(Option::is_none) {
        Some(i) => Err(Error::op("grad", format!("of input {i}: the result does not depend on it"))),
        None => Ok(gradients.iter_mut().filter_map(Option::take).collect()),
    }
}

/// As [`grad`], with `None` for an `x` that no output depends on.
pub fn partial_grad(
    ys: &[&Tensor],
    seeds: &[Option<&Tensor>],
    xs: &[&Tensor],
    keep: Keep,
) -> Result<Vec<Option<Tensor>>> {
    let seeds = ys.iter().enumerate().map(|(i, y)| match seeds.get(i).copied().flatten() {
        Some(seed) => Ok(seed.clone()),
        None => scalar_seed(y, "grad"),
    });
    let seeds = seeds.collect::<Result<Vec<_>>>()?;
    let wanted = xs.iter().map(|x| x.0.origin.as_ref().map(|o| (o.node.sequence, o.index)));
    let wanted: Vec<_> = wanted.collect();
    let found = walk(ys, seeds, Some(&wanted), keep)?;
    Ok(wanted.iter().map(|key| key.and_then(|key| found.inner.get(&key).cloned())).collect())
}

/// A tensor of the graph: output `.1` of the node with number `.0`.
pub(crate) type Key = (u64, usize);

/// The nodes whose turn is to come, by number, with what has reached each of their outputs so far.
type Pending = BTreeMap<u64, (Arc<Node>, SmallVec<[Option<Tensor>; 1]>)>;

/// The walk: newest node first, so every gradient is complete when its node's turn comes.
fn walk(ys: &[&Tensor], seeds: Vec<Tensor>, wanted: Option<&[Option<Key>]>, keep: Keep) -> Result<Gradients> {
    let _span = profile::open(profile::What::Backward, "backward");
    let mut pending = Pending::new();
    let recording = keep == Keep::Graph;
    let deliver = |pending: &mut Pending, origin: &Origin, g: Tensor| {
        let node = &origin.node;
        let (_, slots) = pending
            .entry(node.sequence)
            .or_insert_with(|| (node.clone(), SmallVec::from_elem(None, node.outputs.len())));
        let slot = &mut slots[origin.index];
        *slot = Some(match slot.take() {
            None => g,
            Some(sum) => with_recording(recording, || sum.add(&g)),
        });
    };
    for (y, seed) in ys.iter().zip(seeds) {
        let Some(origin) = &y.0.origin else {
            let message = "found no history: the result was computed from tensors without gradient \
                           (constants, .detach(), no_grad, or frozen parameters)";
            return Err(Error::op("backward", message));
        };
        if seed.shape() != y.shape() {
            let message = format!("needs a seed of the result's shape {}, got {}", y.shape(), seed.shape());
            return Err(Error::op("backward", message));
        }
        deliver(&mut pending, origin, seed);
    }
    let useful = wanted.map(|wanted| leading_to(ys, wanted));
    let mut gradients = Gradients::default();
    while let Some((sequence, (node, mut incoming))) = pending.pop_last() {
        run_hooks(&node, &mut incoming);
        for (i, g) in incoming.iter().enumerate() {
            if let Some(g) = g
                && wanted.is_some_and(|w| w.contains(&Some((sequence, i))))
            {
                gradients.inner.insert((sequence, i), g.clone());
            }
        }
        let op = match &node.source {
            Source::Op(op) => op,
            Source::Leaf(id) => {
                if let (None, Some(g)) = (wanted, incoming[0].take()) {
                    gradients.add_leaf(*id, g);
                }
                continue;
            }
        };
        let needed: SmallVec<[bool; 3]> = node
            .edges
            .iter()
            .map(|edge| edge.as_ref().is_some_and(|o| useful.as_ref().is_none_or(|u| u.contains(&o.node.sequence))))
            .collect();
        if !needed.contains(&true) {
            continue;
        }
        let mut slot = node.saved();
        let Some(saved) = slot.take() else {
            let message = format!(
                "reached `{}` of a graph that was already walked and freed: compute the result again, \
                 or keep it with Keep::Graph",
                op.name()
            );
            return Err(Error::op("backward", message));
        };
        let g = Grad { node: &node, saved: &saved, incoming, needed };
        let rule = || if recording { differentiable(&**op, &g) } else { op.grad(&g) };
        let span = profile::open_gradient(&**op, node.module.as_deref());
        let back = with_recording(recording, || match &node.module {
            Some(module) => scope::within(&format!("{module} (gradient of {})", op.name()), rule),
            None => rule(),
        });
        drop(span);
        let needed = g.needed;
        if recording {
            *slot = Some(saved);
        }
        drop(slot);
        assert_eq!(back.len(), node.edges.len(), "{op:?}: grad returns one gradient per input");
        for (i, (edge, g)) in node.edges.iter().zip(back).enumerate() {
            let (Some(origin), Some(g)) = (edge, g) else { continue };
            if needed[i] {
                debug_assert_eq!(*g.shape(), node.inputs[i].shape, "{op:?}: gradient {i} has the wrong shape");
                deliver(&mut pending, origin, g);
            }
        }
    }
    Ok(gradients)
}

/// The gradient rule of an op in differentiable form: its own, or that of its decomposition.
fn differentiable(op: &dyn Op, g: &Grad) -> Grads {
    if !g.saved.inputs.iter().all(Option::is_some) {
        return op.grad(g);
    }
    let inputs: Vec<Tensor> = (0..g.inputs()).map(|i| g.input(i)).collect();
    let Some(outputs) = op.decompose(&inputs) else { return op.grad(g) };
    let used: Vec<usize> = (0..outputs.len()).filter(|&i| g.used(i).is_some() && outputs[i].has_grad()).collect();
    let ys: Vec<&Tensor> = used.iter().map(|&i| &outputs[i]).collect();
    let seeds: Vec<Option<&Tensor>> = used.iter().map(|&i| g.used(i)).collect();
    let xs: Vec<&Tensor> = inputs.iter().collect();
    partial_grad(&ys, &seeds, &xs, Keep::Graph).unwrap_or_else(|e| panic!("{op:?}: decompose: {e}"))
}

/// Stand-ins for the leaves that `ys` were computed from, without those in `except`: right shape and
/// history, no elements of their own.
pub(crate) fn leaves_of(ys: &[Tensor], except: &[Tensor]) -> Vec<Tensor> {
    let known: HashSet<u64> = except.iter().filter_map(|x| x.0.origin.as_ref().map(|o| o.node.sequence)).collect();
    let mut leaves = BTreeMap::new();
    let mut seen = HashSet::new();
    let mut stack: Vec<&Origin> = ys.iter().filter_map(|y| y.0.origin.as_ref()).collect();
    while let Some(origin) = stack.pop() {
        let node = &origin.node;
        if !seen.insert(node.sequence) || known.contains(&node.sequence) {
            continue;
        }
        if let Source::Leaf(_) = node.source {
            let meta = &node.outputs[0];
            let zero = Tensor::zeros_with((), meta.dtype);
            let layout = zero.layout().broadcast_to(&meta.shape);
            let data = Data { layout, ..zero.0.data.clone() };
            leaves.insert(node.sequence, Tensor::make(data, Some(origin.clone())));
        }
        stack.extend(node.edges.iter().flatten());
    }
    leaves.into_values().collect()
}

/// The nodes from which a wanted tensor can be reached (the wanted ones included).
fn leading_to(ys: &[&Tensor], wanted: &[Option<Key>]) -> HashSet<u64> {
    let mut nodes: BTreeMap<u64, &Arc<Node>> = BTreeMap::new();
    let mut stack: Vec<&Arc<Node>> = ys.iter().filter_map(|y| y.0.origin.as_ref().map(|o| &o.node)).collect();
    while let Some(node) = stack.pop() {
        if nodes.insert(node.sequence, node).is_none() {
            stack.extend(node.edges.iter().flatten().map(|o| &o.node));
        }
    }
    let mut useful: HashSet<u64> = wanted.iter().flatten().map(|key| key.0).collect();
    for (sequence, node) in nodes {
        if node.edges.iter().flatten().any(|o| useful.contains(&o.node.sequence)) {
            useful.insert(sequence);
        }
    }
    useful
}

fn run_hooks(node: &Node, incoming: &mut [Option<Tensor>]) {
    for (index, hook) in node.hooks.lock().unwrap_or_else(|e| e.into_inner()).iter() {
        if let Some(replacement) = incoming[*index].as_ref().and_then(hook) {
            incoming[*index] = Some(replacement);
        }
    }
}
