//! `Op`, the one trait an operation implements, and `apply`, the one function every operation passes through.

use crate::compile::Rewrites;
use crate::grad::{self, Grad, Grads, Node, Saved};
pub use crate::onnx::{Attribute, Value, Values, Writer};
use crate::tensor::{Bits, Buffer, Category, Data, Element, Layout, Meta, Shape, Tensor};
use crate::{DType, Error, Result, check, compile, profile};
use smallvec::SmallVec;
use std::any::Any;
use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;

/// What the compiler may do with an op.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Element `i` of the output depends on element `i` of the (broadcast) inputs: may be fused.
    Map,
    /// Combines elements along axes: may end a fused group.
    Reduce,
    /// The same elements under another layout: no kernel runs when [`Op::view`] finds one.
    View,
    /// A sum of products: matmul, convolution.
    Contraction,
    /// Anything else.
    Opaque,
}

/// Which inputs and outputs a gradient rule reads, as bit masks; everything else is dropped after the forward pass.
///
/// Ops of any number of inputs or outputs read all or none: the last bit stands for everything from number 31 on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reads {
    /// Bit `i`: the rule calls `g.input(i)`.
    pub inputs: u32,
    /// Bit `i`: the rule calls `g.output(i)`.
    pub outputs: u32,
}

impl Reads {
    /// The rule needs only the incoming gradient.
    pub const NOTHING: Reads = Reads { inputs: 0, outputs: 0 };
    /// The rule reads every input.
    pub const INPUTS: Reads = Reads { inputs: !0, outputs: 0 };
    /// The rule reads every output.
    pub const OUTPUTS: Reads = Reads { inputs: 0, outputs: !0 };

    /// The rule reads just input `i`.
    pub const fn input(i: u32) -> Reads {
        Reads { inputs: 1 << i, outputs: 0 }
    }
}

/// An operation: its shape rule, kernel call and gradient. One file holds one op (see `docs/anatomy-of-an-op.md`).
///
/// Its `Debug` form shows all settings: in a compiled graph, ops of equal text on equal inputs are computed once, unless
/// they are [`Kind::Opaque`].
pub trait Op: Any + Debug + Send + Sync {
    /// The name users see: that of the method on `Tensor`.
    fn name(&self) -> &'static str;

    /// Shapes and types of the outputs. The only place where shape and type errors are made.
    fn infer(&self, inputs: &[Meta]) -> Result<Metas>;

    /// Computes the outputs, which are contiguous and whose present contents are arbitrary.
    fn run(&self, inputs: &[Input], outputs: &mut [Output]);

    /// For a view: the output's layout over the input's buffer, or `None` when only a copy will do.
    fn view(&self, _input: &Layout) -> Option<Layout> {
        None
    }

    /// The layouts of all outputs of an op whose outputs are several views of its only input.
    fn views(&self, input: &Layout) -> Option<SmallVec<[Layout; 1]>> {
        self.view(input).map(|layout| SmallVec::from_elem(layout, 1))
    }

    /// What the compiler may do with the op.
    fn kind(&self) -> Kind {
        Kind::Opaque
    }

    /// The floating-point operations that [`Op::run`] takes, for the profiler: two for each multiplication and addition of
    /// a contraction. None for ops that the memory's speed limits; what they read and write is known anyway.
    fn flops(&self, _inputs: &[Meta], _outputs: &[Meta]) -> u64 {
        0
    }

    /// What tells the op from others of its name, in a profile: nothing for most.
    fn variant(&self) -> &'static str {
        ""
    }

    /// What a compiled graph may make of the op.
    fn rewrites(&self) -> &dyn Rewrites {
        &compile::AsItIs
    }

    /// What [`Op::grad`] reads.
    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    /// The vector-Jacobian product: one gradient per input, `None` where none flows.
    fn grad(&self, g: &Grad) -> Grads;

    /// The same outputs by differentiable ops, for an op whose `grad` calls kernels that have no gradient
    /// themselves. Used in place of `grad` when the result is to be differentiated again; such an op declares
    /// [`Reads::INPUTS`] at least.
    fn decompose(&self, _inputs: &[Tensor]) -> Option<Vec<Tensor>> {
        None
    }

    /// The op as nodes of an ONNX graph: a value for each output, or for the first of them if nothing ever reads the
    /// others. By default those of [`Op::decompose`], and an error if there is no such thing.
    fn onnx(&self, x: &Writer) -> Result<Values> {
        x.composed_all(|inputs| self.decompose(inputs).ok_or_else(|| x.no_form("has no form in ONNX")))
    }
}

/// Shapes and types of an op's outputs: nearly always one.
pub type Metas = SmallVec<[Meta; 1]>;

/// An op's outputs.
pub type Outputs = SmallVec<[Tensor; 1]>;

/// Applies an op that has one output.
pub fn apply(op: impl Op, inputs: &[&Tensor]) -> Result<Tensor> {
    Ok(apply_all(op, inputs)?.swap_remove(0))
}

/// Applies an op: infers, computes (or finds the view), and remembers what its gradient reads.
///
/// Every operation on tensors, forward and backward, passes through here.
pub fn apply_all(op: impl Op, inputs: &[&Tensor]) -> Result<Outputs> {
    if inputs.iter().any(|t| t.is_traced()) {
        return traced(Arc::new(op), inputs);
    }
    // The two halves take the op as `dyn`, so that they are compiled once and not once per op.
    let (metas, values) = evaluate(&op, inputs)?;
    let node = records(inputs, &metas).then(|| remember(Arc::new(op), inputs, metas, &values));
    let outputs = values.into_iter().enumerate();
    Ok(outputs.map(|(i, data)| Tensor::make(data, grad::origin(&node, i))).collect())
}

/// Applies an op of which no gradient is asked for, and that has one output.
pub(crate) fn apply_shared(op: Arc<dyn Op>, inputs: &[&Tensor]) -> Result<Tensor> {
    if inputs.iter().any(|t| t.is_traced()) {
        return Ok(traced(op, inputs)?.swap_remove(0));
    }
    Ok(values(&*op, inputs)?.swap_remove(0))
}

/// The outputs of an op, without history.
pub(crate) fn values(op: &dyn Op, inputs: &[&Tensor]) -> Result<Outputs> {
    Ok(evaluate(op, inputs)?.1.into_iter().map(|data| Tensor::make(data, None)).collect())
}

/// Infers and leaves an equation in the trace, and a node on the tape as ever.
fn traced(op: Arc<dyn Op>, inputs: &[&Tensor]) -> Result<Outputs> {
    let metas: SmallVec<[Meta; 4]> = inputs.iter().map(|t| t.meta()).collect();
    let metas = op.infer(&metas)?;
    let values = compile::equation(&op, inputs, &metas)?;
    let node = records(inputs, &metas).then(|| remember(op, inputs, metas, &values));
    let outputs = values.into_iter().enumerate();
    Ok(outputs.map(|(i, data)| Tensor::make(data, grad::origin(&node, i))).collect())
}

/// Values that were computed elsewhere, with `op` as where they came from: only its gradient is ever asked for.
pub(crate) fn record(op: impl Op, inputs: &[&Tensor], values: &[Tensor]) -> Outputs {
    let metas: Metas = values.iter().map(Tensor::meta).collect();
    let data: SmallVec<[Data; 1]> = values.iter().map(|t| t.0.data.clone()).collect();
    let node = records(inputs, &metas).then(|| remember(Arc::new(op), inputs, metas, &data));
    let outputs = data.into_iter().enumerate();
    outputs.map(|(i, data)| Tensor::make(data, grad::origin(&node, i))).collect()
}

/// Infers and computes.
fn evaluate(op: &dyn Op, inputs: &[&Tensor]) -> Result<(Metas, SmallVec<[Data; 1]>)> {
    let span = profile::open_op(op);
    let metas: SmallVec<[Meta; 4]> = inputs.iter().map(|t| t.meta()).collect();
    let metas = op.infer(&metas)?;
    let values = compute(op, inputs, &metas);
    if let Some(span) = span {
        span.complete(op, inputs, &metas, &values);
    }
    if check::finite_values() {
        check::finite(op, &values)?;
    }
    Ok((metas, values))
}

/// A node of the tape that keeps what the op's gradient reads.
fn remember(op: Arc<dyn Op>, inputs: &[&Tensor], metas: Metas, values: &[Data]) -> Arc<Node> {
    let reads = op.reads();
    let keep = |mask: u32, i: usize, data: &Data| (mask >> i.min(31) & 1 == 1).then(|| data.clone());
    let saved = Saved {
        inputs: inputs.iter().enumerate().map(|(i, t)| keep(reads.inputs, i, &t.0.data)).collect(),
        outputs: values.iter().enumerate().map(|(i, v)| keep(reads.outputs, i, v)).collect(),
    };
    let edges = inputs.iter().map(|t| t.0.origin.clone().filter(|_| t.dtype().is_float())).collect();
    Node::of_op(op, edges, inputs.iter().map(|t| t.meta()).collect(), metas, saved)
}

/// Whether the tape takes part: some input has history and some output can carry a gradient.
fn records(inputs: &[&Tensor], outputs: &[Meta]) -> bool {
    grad::enabled()
        && inputs.iter().any(|t| t.0.origin.is_some() && t.dtype().is_float())
        && outputs.iter().any(|m| m.dtype.is_float())
}

fn compute(op: &dyn Op, inputs: &[&Tensor], metas: &Metas) -> SmallVec<[Data; 1]> {
    if let [x] = inputs
        && let Some(layouts) = op.views(x.layout())
    {
        debug_assert!(
            layouts.iter().map(|l| &l.shape).eq(metas.iter().map(|m| &m.shape)),
            "{op:?}: view and infer disagree"
        );
        let view = |layout| Data { layout, dtype: x.dtype(), buffer: x.0.data.buffer.clone() };
        return layouts.into_iter().map(view).collect();
    }
    let mut buffers: SmallVec<[Buffer; 1]> = metas.iter().map(|m| Buffer::recycled(m.bytes())).collect();
    let views: SmallVec<[Input; 4]> = inputs.iter().map(|t| Input::of(&t.0.data)).collect();
    let mut outputs: SmallVec<[Output; 1]> =
        metas.iter().zip(&mut buffers).map(|(meta, buffer)| Output::new(meta, buffer)).collect();
    op.run(&views, &mut outputs);
    drop(outputs);
    let layouts = metas.iter().map(|m| (Layout::contiguous(&m.shape), m.dtype));
    layouts.zip(buffers).map(|((layout, dtype), b)| Data { layout, dtype, buffer: Arc::new(b) }).collect()
}

/// What a kernel sees of an input: its type, layout and elements.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    layout: &'a Layout,
    dtype: DType,
    buffer: &'a Buffer,
}

impl<'a> Input<'a> {
    pub(crate) fn new(layout: &'a Layout, dtype: DType, buffer: &'a Buffer) -> Input<'a> {
        Input { layout, dtype, buffer }
    }

    fn of(data: &'a Data) -> Input<'a> {
        Input::new(&data.layout, data.dtype, &data.buffer)
    }

    /// The same buffer through another layout.
    pub(crate) fn over<'b>(&self, layout: &'b Layout) -> Input<'b>
    where
        'a: 'b,
    {
        Input::new(layout, self.dtype, self.buffer)
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sizes, strides and offset.
    pub fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &'a Shape {
        &self.layout.shape
    }

    /// The whole buffer, to be indexed through the layout.
    pub fn buffer<T: Element>(&self) -> &'a [T] {
        debug_assert_eq!(T::DTYPE, self.dtype());
        self.buffer.slice()
    }

    /// The whole buffer as bits of the elements' size.
    pub fn bits<T: Bits>(&self) -> &'a [T] {
        debug_assert_eq!(T::DTYPE.size(), self.dtype().size());
        self.buffer.slice()
    }

    /// The elements if they lie row-major without gaps.
    pub fn slice<T: Element>(&self) -> Option<&'a [T]> {
        let layout = self.layout();
        let all = self.buffer::<T>();
        layout.is_contiguous().then(|| &all[layout.offset.min(all.len())..][..layout.shape.elements()])
    }

    /// The elements in row-major order, copied only if they do not lie so.
    pub fn contiguous<T: Element>(&self) -> Contiguous<'a, T> {
        self.arranged(self.layout())
    }

    /// The elements in the row-major order of another layout over the same buffer (a permutation, say).
    pub fn arranged<T: Element>(&self, layout: &Layout) -> Contiguous<'a, T> {
        arranged(self.buffer(), layout)
    }

    /// As [`Input::contiguous`], as bits of the elements' size.
    pub fn contiguous_bits<T: Bits>(&self) -> Contiguous<'a, T> {
        arranged(self.bits(), self.layout())
    }
}

fn arranged<'a, T: Element>(all: &'a [T], layout: &Layout) -> Contiguous<'a, T> {
    if layout.is_contiguous() {
        return Contiguous::Borrowed(&all[layout.offset.min(all.len())..][..layout.shape.elements()]);
    }
    let mut copy = Buffer::recycled(layout.shape.elements() * size_of::<T>());
    crate::run::copy::gather(all, layout, copy.slice_mut());
    Contiguous::Copied(copy, std::marker::PhantomData)
}

/// Row-major elements: borrowed from the tensor or copied into pooled memory.
pub enum Contiguous<'a, T> {
    /// The tensor's own elements.
    Borrowed(&'a [T]),
    /// A rearranged copy.
    Copied(Buffer, std::marker::PhantomData<T>),
}

impl<T: Element> Deref for Contiguous<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match self {
            Contiguous::Borrowed(slice) => slice,
            Contiguous::Copied(buffer, _) => buffer.slice(),
        }
    }
}

/// What a kernel writes: a contiguous output.
pub struct Output<'a> {
    meta: &'a Meta,
    buffer: &'a mut Buffer,
}

impl<'a> Output<'a> {
    pub(crate) fn new(meta: &'a Meta, buffer: &'a mut Buffer) -> Output<'a> {
        Output { meta, buffer }
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.meta.dtype
    }

    /// The sizes of the axes.
    pub fn shape(&self) -> &Shape {
        &self.meta.shape
    }

    /// The elements, row-major; their present values are arbitrary.
    pub fn slice<T: Element>(&mut self) -> &mut [T] {
        debug_assert_eq!(T::DTYPE, self.meta.dtype);
        self.buffer.slice_mut()
    }

    /// The elements as bits of their size.
    pub fn bits<T: Bits>(&mut self) -> &mut [T] {
        debug_assert_eq!(T::DTYPE.size(), self.meta.dtype.size());
        self.buffer.slice_mut()
    }
}

/// One output of the given shape and type: what most shape rules return.
pub fn one(meta: Meta) -> Result<Metas> {
    Ok(SmallVec::from_elem(meta, 1))
}

/// The output of an elementwise op on two inputs of one type: the shape that both broadcast to.
pub fn broadcast(op: &dyn Op, inputs: &[Meta]) -> Result<Meta> {
    Ok(inputs[0].with_shape(inputs[0].shape.broadcast(&inputs[1].shape, op.name())?))
}

/// The error for an op that takes floats only.
pub fn require_float(op: &dyn Op, meta: &Meta) -> Result<()> {
    if meta.dtype.is_float() {
        return Ok(());
    }
    let message = format!("needs a floating-point tensor, got {}; convert with .to_dtype(DType::F32)", meta.dtype);
    Err(Error::op(op.name(), message))
}

/// The error for an op whose inputs must be floats of one type.
pub fn require_one_float_type(op: &dyn Op, inputs: &[Meta]) -> Result<()> {
    require_float(op, &inputs[0])?;
    let first = inputs[0].dtype;
    match inputs.iter().find(|x| x.dtype != first) {
        None => Ok(()),
        Some(other) => {
            let message =
                format!("got {first} and {} tensors: convert one with .to_dtype(DType::{first:?})", other.dtype);
            Err(Error::op(op.name(), message))
        }
    }
}

/// The error for an op that takes numbers but no booleans.
pub fn require_number(op: &dyn Op, meta: &Meta) -> Result<()> {
    if meta.dtype != DType::Bool {
        return Ok(());
    }
    Err(Error::op(op.name(), "needs numbers, got a bool tensor; convert with .to_dtype(DType::I64)"))
}

/// The error for an op that takes integers and booleans only.
pub fn require_bits(op: &dyn Op, meta: &Meta) -> Result<()> {
    if !meta.dtype.is_float() {
        return Ok(());
    }
    Err(Error::op(op.name(), format!("needs integers or booleans, got {}; compare first, or convert", meta.dtype)))
}

/// The error for an op that takes integers only.
pub fn require_integer(op: &dyn Op, meta: &Meta) -> Result<()> {
    if meta.dtype.category() == Category::Integer {
        return Ok(());
    }
    Err(Error::op(op.name(), format!("needs integers, got {}: convert with .to_dtype(DType::I64)", meta.dtype)))
}
