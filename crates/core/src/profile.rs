//! `profile`: what a computation spends its time on, as a table and as a timeline.
//!
//! Everything of note opens a [`Span`] while it runs: an op in `apply`, a layer in its tag's `call`, a gradient rule in
//! `backward`, the optimizer's step, the loader. Spans nest, so the time that is a span's own (less that of the spans
//! inside) adds up to the whole, and a row of the table is a sum of own times.

mod chrome;
mod rows;
mod table;

pub use rows::Row;

use crate::op::Op;
use crate::tensor::{DType, Data, Layout, Meta, Tensor};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What a span is the time of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum What {
    /// All of it.
    Whole,
    /// A stretch of the program that was given a name with [`region`].
    Region,
    /// A layer's call.
    Module,
    /// An operation.
    Op,
    /// A walk back over the tape.
    Backward,
    /// The gradient rule of one recorded operation; its name is the operation's.
    Gradient,
    /// An optimizer's update of its parameters.
    Optimizer,
    /// The program waits for its next batch, or makes it.
    Data,
    /// A thread of the loader makes a batch.
    Loading,
}

/// A stretch of time on one thread.
#[derive(Clone, Debug)]
pub struct Span {
    /// What it is the time of.
    pub what: What,
    /// The name of the op, layer, optimizer or region.
    pub name: Cow<'static, str>,
    /// The dotted name of the layer that it belongs to; of a gradient, the layer whose op it differentiates.
    pub module: Option<Arc<str>>,
    /// The kind of layer, if it is one (`"Linear"`); what tells an op from others of its name (see [`Op::variant`]).
    pub detail: &'static str,
    /// The number of the span around it, on the same thread.
    pub parent: Option<usize>,
    /// From the beginning of the profile.
    pub start: Duration,
    /// How long it took, with all spans inside.
    pub duration: Duration,
    /// Shapes and types of an op's inputs.
    pub inputs: SmallVec<[Meta; 3]>,
    /// Floating-point operations of an op (see [`Op::flops`]).
    pub flops: u64,
    /// Bytes of an op's inputs and outputs; none for views.
    pub bytes: u64,
    /// Bytes of tensors that were allocated, those of spans inside not counted.
    pub allocated: u64,
}

/// The spans of one thread, each after the one around it.
#[derive(Clone, Debug)]
pub struct Track {
    /// The thread's name.
    pub thread: String,
    /// What it did.
    pub spans: Vec<Span>,
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The thread that was profiled, and those that worked for it and took part through [`Recorder::enter`].
    pub tracks: Vec<Track>,
    /// From beginning to end, or until there were too many spans.
    pub duration: Duration,
    /// Whether it ended early because of too many spans.
    pub truncated: bool,
    /// The threads that kernels ran on.
    pub threads: usize,
}

/// The most spans of a thread; beyond that, the profile is that of the time until then.
const MOST_SPANS: usize = 400_000;

/// Runs `f` and records what this thread does meanwhile.
///
/// ```
/// use hadal_core::{Tensor, profile};
/// let (x, w) = (Tensor::ones([8, 100]), Tensor::ones([50, 100]));
/// let (y, profile) = profile(|| x.linear(&w, None).relu());
/// assert_eq!(*y.shape(), [8, 50]);
/// let rows = profile.rows(); // those that took longest first
/// let linear = rows.iter().find(|row| row.name == "linear").unwrap();
/// assert_eq!((linear.calls, linear.flops), (1, 2 * 8 * 50 * 100));
/// ```
pub fn profile<R>(f: impl FnOnce() -> R) -> (R, Profile) {
    profile_at_most(MOST_SPANS, f)
}

fn profile_at_most<R>(most: usize, f: impl FnOnce() -> R) -> (R, Profile) {
    let full = AtomicU64::new(u64::MAX);
    let recorder = Recorder(Arc::new(Shared { begin: Instant::now(), full, most, tracks: Mutex::default() }));
    let result = recorder.record(true, || {
        let _whole = open(What::Whole, "profile");
        f()
    });
    let (duration, truncated) = (recorder.0.now(), recorder.0.full.load(Relaxed) != u64::MAX);
    let tracks = std::mem::take(&mut *recorder.0.tracks());
    (result, Profile { tracks, duration, truncated, threads: hadal_kernels::threads::threads() })
}

/// Gives what happens until the result is dropped a name in the profile, if one is being recorded.
///
/// ```
/// use hadal_core::{Tensor, profile::{profile, region}};
/// let ((), profile) = profile(|| {
///     let _region = region("warm up");
///     Tensor::ones([10]).exp();
/// });
/// assert_eq!(profile.tracks[0].spans[1].name, "warm up");
/// ```
#[must_use = "the region ends when this is dropped"]
pub fn region(name: &str) -> Option<Open> {
    is_on().then(|| begin(What::Region, name.to_owned().into(), "", None)).flatten()
}

/// Where a profile is recorded: hand it to another thread, to have that thread's work in the profile.
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    begin: Instant,
    /// When a thread had too many spans, in nanoseconds from the beginning.
    full: AtomicU64,
    most: usize,
    tracks: Mutex<Vec<Track>>,
}

impl Shared {
    fn tracks(&self) -> MutexGuard<'_, Vec<Track>> {
        self.tracks.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The time, which stands still when there are too many spans.
    fn now(&self) -> Duration {
        self.begin.elapsed().min(Duration::from_nanos(self.full.load(Relaxed)))
    }
}

/// What a thread is recording.
struct Recording {
    shared: Arc<Shared>,
    spans: Vec<Span>,
    /// The innermost span that is open.
    innermost: Option<usize>,
}

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
    static RECORDING: RefCell<Option<Recording>> = const { RefCell::new(None) };
}

/// Whether this thread is being recorded.
#[inline]
pub(crate) fn is_on() -> bool {
    ON.get()
}

/// The layer whose span is open.
#[inline]
pub(crate) fn current_module() -> Option<String> {
    if is_on() { module_of_innermost() } else { None }
}

#[cold]
fn module_of_innermost() -> Option<String> {
    RECORDING.with_borrow(|recording| {
        let Recording { spans, innermost, .. } = recording.as_ref()?;
        spans[(*innermost)?].module.as_deref().map(str::to_owned)
    })
}

impl Recorder {
    /// What this thread records to, if it does.
    pub fn current() -> Option<Recorder> {
        RECORDING.with_borrow(|recording| recording.as_ref().map(|r| Recorder(r.shared.clone())))
    }

    /// Runs `f` on this thread, and adds what it does to the profile, unless that has ended before.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        self.record(false, f)
    }

    /// A recording that was on stands still meanwhile. The track of the thread that is profiled, which leads, comes first.
    fn record<R>(&self, leads: bool, f: impl FnOnce() -> R) -> R {
        struct Leave(bool, Option<Recording>);
        impl Drop for Leave {
            fn drop(&mut self) {
                ON.set(self.1.is_some());
                let Some(Recording { shared, spans, .. }) = RECORDING.replace(self.1.take()) else { return };
                let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
                let mut tracks = shared.tracks();
                let at = if self.0 { 0 } else { tracks.len() };
                tracks.insert(at, Track { thread, spans });
            }
        }
        let recording = Recording { shared: self.0.clone(), spans: Vec::new(), innermost: None };
        let _leave = Leave(leads, RECORDING.replace(Some(recording)));
        ON.set(true);
        f()
    }
}

/// A span that ends when this is dropped, on the thread on which it began.
pub struct Open(usize, PhantomData<*const ()>);

/// Begins a span if this thread is being recorded.
#[inline]
#[must_use = "the span ends when this is dropped"]
pub fn open(what: What, name: &'static str) -> Option<Open> {
    if is_on() { begin(what, name.into(), "", None) } else { None }
}

/// Begins the span of a layer's call.
#[inline]
pub(crate) fn open_module(name: Option<&str>, kind: &'static str) -> Option<Open> {
    if !is_on() {
        return None;
    }
    let name = name.filter(|name| !name.is_empty()).unwrap_or(kind);
    begin(What::Module, name.to_owned().into(), kind, Some(name.into()))
}

/// Begins the span of an op, to be [completed](Open::complete).
#[inline]
pub(crate) fn open_op(op: &dyn Op) -> Option<Open> {
    if is_on() { begin(What::Op, op.name().into(), op.variant(), None) } else { None }
}

/// Begins the span of an op that a compiled function runs, to be [completed](Open::complete_step).
#[inline]
pub(crate) fn open_step(op: &dyn Op, module: Option<&str>) -> Option<Open> {
    if is_on() { begin(What::Op, op.name().into(), op.variant(), module.map(Arc::from)) } else { None }
}

/// Begins the span of a gradient rule.
#[inline]
pub(crate) fn open_gradient(op: &dyn Op, module: Option<&str>) -> Option<Open> {
    if is_on() { begin(What::Gradient, op.name().into(), "", module.map(Arc::from)) } else { None }
}

#[cold]
fn begin(what: What, name: Cow<'static, str>, detail: &'static str, module: Option<Arc<str>>) -> Option<Open> {
    RECORDING.with_borrow_mut(|recording| {
        let Recording { shared, spans, innermost } = recording.as_mut()?;
        if spans.len() == shared.most {
            shared.full.fetch_min(shared.begin.elapsed().as_nanos() as u64, Relaxed);
        }
        if shared.full.load(Relaxed) != u64::MAX {
            return None;
        }
        let parent = *innermost;
        let module = module.or_else(|| parent.and_then(|parent| spans[parent].module.clone()));
        *innermost = Some(spans.len());
        let (start, duration, inputs) = (shared.now(), Duration::ZERO, SmallVec::new());
        let (flops, bytes, allocated) = (0, 0, 0);
        spans.push(Span { what, name, module, detail, parent, start, duration, inputs, flops, bytes, allocated });
        Some(Open(spans.len() - 1, PhantomData))
    })
}

/// Ends a span.
fn end(number: usize) {
    RECORDING.with_borrow_mut(|recording| {
        let Some(Recording { shared, spans, innermost }) = recording else { return };
        let Some(span) = spans.get_mut(number) else { return };
        span.duration = shared.now().saturating_sub(span.start);
        *innermost = span.parent;
    });
}

impl Drop for Open {
    fn drop(&mut self) {
        end(self.0);
    }
}

impl Open {
    /// Ends the span of an op and says what it worked on.
    #[cold]
    pub(crate) fn complete(self, op: &dyn Op, inputs: &[&Tensor], metas: &[Meta], values: &[Data]) {
        let number = self.0;
        drop(self);
        let given: SmallVec<[Meta; 3]> = inputs.iter().map(|t| t.meta()).collect();
        let view = |value: &Data| inputs.iter().any(|input| Arc::ptr_eq(&input.0.data.buffer, &value.buffer));
        let (mut flops, mut bytes) = (0, 0);
        if !values.iter().all(view) {
            flops = op.flops(&given, metas);
            let outputs: usize = metas.iter().map(Meta::bytes).sum();
            let read = inputs.iter().map(|t| stored(&t.0.data.layout, t.dtype()));
            bytes = (read.sum::<usize>() + outputs) as u64;
        }
        note(number, given, flops, bytes);
    }

    /// As [`Open::complete`], for an op of a compiled function.
    #[cold]
    pub(crate) fn complete_step<'a>(
        self,
        op: &dyn Op,
        inputs: impl Iterator<Item = (&'a Layout, DType)> + Clone,
        metas: &[Meta],
    ) {
        let number = self.0;
        drop(self);
        let given: SmallVec<[Meta; 3]> =
            inputs.clone().map(|(layout, dtype)| Meta::new(&layout.shape, dtype)).collect();
        let read: usize = inputs.map(|(layout, dtype)| stored(layout, dtype)).sum();
        let bytes = (read + metas.iter().map(Meta::bytes).sum::<usize>()) as u64;
        let flops = op.flops(&given, metas);
        note(number, given, flops, bytes);
    }
}

/// Says what a span worked on.
fn note(number: usize, inputs: SmallVec<[Meta; 3]>, flops: u64, bytes: u64) {
    RECORDING.with_borrow_mut(|recording| {
        let Some(span) = recording.as_mut().and_then(|r| r.spans.get_mut(number)) else { return };
        (span.inputs, span.flops, span.bytes) = (inputs, flops, bytes);
    });
}

/// Bytes of the elements that a tensor has in memory: repeated ones count once.
fn stored(layout: &Layout, dtype: DType) -> usize {
    let axes = layout.shape.iter().zip(layout.strides.iter());
    axes.map(|(&size, &stride)| if stride == 0 { size.min(1) } else { size }).product::<usize>() * dtype.size()
}

/// Counts memory that was taken for tensors.
#[inline]
pub(crate) fn allocated(bytes: usize) {
    if is_on() {
        count(bytes);
    }
}

#[cold]
fn count(bytes: usize) {
    RECORDING.with_borrow_mut(|recording| {
        let Some(Recording { spans, innermost: Some(at), .. }) = recording else { return };
        spans[*at].allocated += bytes as u64;
    });
}

impl Profile {
    /// The spans as a JSON file in the trace-event format, which `chrome://tracing` and <https://ui.perfetto.dev> show as
    /// a timeline.
    pub fn chrome_trace(&self) -> String {
        chrome::trace(self)
    }

    /// Where the time of the profiled thread went, in rows whose seconds add up to the whole: ops, gradient rules (with
    /// what they ran), the optimizer, waiting for data, and what lies between; most time first.
    pub fn rows(&self) -> Vec<Row> {
        rows::by_op(self)
    }

    /// The same time by the layer it was spent for, forward and backward apart; most time first.
    pub fn modules(&self) -> Vec<Row> {
        rows::by_module(self)
    }

    /// Both as a text, beside the [ceilings](hadal_kernels::ceiling) of this machine.
    ///
    /// The first call measures them, which takes about half a second, and wants the machine for itself.
    pub fn table(&self) -> String {
        let before = hadal_kernels::threads::threads();
        hadal_kernels::threads::set_threads(self.threads);
        let ceiling = hadal_kernels::ceiling::ceiling();
        hadal_kernels::threads::set_threads(before);
        table::text(self, &ceiling)
    }
}

#[cfg(test)]
mod tests;
