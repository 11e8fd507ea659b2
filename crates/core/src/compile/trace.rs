//! Tracing: while a function runs on stand-ins for its arguments, `apply` leaves an equation for each op that meets one.
//!
//! What does not depend on the arguments, parameters or random numbers is computed at once and becomes a constant.

use super::graph::{Effect, Equation, Graph, Operand, Value, ValueId, What};
use crate::op::Op;
use crate::tensor::{Buffer, Data, Layout, Meta, TracedId};
use crate::{DType, Error, Mode, Param, Result, Tensor, scope};
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

thread_local! {
    static TRACING: Cell<bool> = const { Cell::new(false) };
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// A recording in progress.
struct Trace {
    number: u64,
    /// Whether parameters are taken for constants.
    inference: bool,
    graph: Graph,
    /// The present values of the parameters that were met, by [`Param::key`].
    current: HashMap<usize, Tensor>,
    /// Parameters that were made within the trace: what becomes of them is seen through their values alone.
    born: HashMap<usize, Param>,
    guards: Guards,
}

/// What a graph takes for granted besides the shapes of its arguments.
#[derive(Default)]
pub(crate) struct Guards {
    params: Vec<Guard>,
    modes: Vec<(Mode, bool)>,
    seen: HashSet<usize>,
}

/// A parameter as it was met.
struct Guard {
    param: Param,
    layout: Layout,
    dtype: DType,
    trainable: bool,
    /// The value, where it is taken for a constant.
    constant: Option<Arc<Buffer>>,
}

impl Guard {
    fn holds(&self) -> bool {
        let same = |value: &Tensor| {
            let constant = self.constant.as_ref().is_none_or(|buffer| Arc::ptr_eq(buffer, &value.0.data.buffer));
            constant && *value.layout() == self.layout && value.dtype() == self.dtype
        };
        self.param.is_trainable() == self.trainable && self.param.with(same)
    }
}

impl Guards {
    /// Whether parameters have the shapes, and layers the modes, that they had when the function was traced.
    pub(crate) fn hold(&self) -> bool {
        self.modes.iter().all(|(mode, training)| mode.is_training() == *training)
            && self.params.iter().all(Guard::holds)
    }
}

/// Whether a function is being traced on this thread.
#[inline]
pub fn is_tracing() -> bool {
    TRACING.get()
}

/// Runs `f` as if no function were being traced: what makes a lazy layer's parameters.
pub fn outside_trace<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            TRACING.set(self.0);
        }
    }
    let _restore = Restore(TRACING.replace(false));
    f()
}

/// The graph of `f` for arguments of these shapes and types, and what it takes for granted; for inference, that includes
/// the values of parameters.
pub(crate) fn trace(
    arguments: &[Meta],
    inference: bool,
    f: impl FnOnce(&[Tensor]) -> Result<Vec<Tensor>>,
) -> Result<(Graph, Guards)> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            TRACING.set(false);
            TRACE.replace(None);
        }
    }
    let number = NUMBERS.fetch_add(1, Relaxed);
    let graph = Graph { values: Vec::new(), equations: Vec::new(), inputs: Vec::new(), outputs: Vec::new() };
    let (current, born, guards) = Default::default();
    TRACE.replace(Some(Trace { number, inference, graph, current, born, guards }));
    TRACING.set(true);
    let _leave = Leave;
    let inputs = with(|trace| {
        let inputs = arguments.iter().map(|meta| trace.fresh(meta.clone())).map(|data| Tensor::make(data, None));
        let inputs: Vec<Tensor> = inputs.collect();
        trace.graph.inputs = (0..inputs.len()).collect();
        inputs
    })?;
    let outputs = f(&inputs)?;
    let outputs = with(|trace| outputs.iter().map(|output| trace.operand(output)).collect::<Result<Vec<_>>>())??;
    let Trace { mut graph, guards, .. } = TRACE.take().expect("set above");
    graph.outputs = outputs;
    Ok((graph, guards))
}

fn with<R>(f: impl FnOnce(&mut Trace) -> R) -> Result<R> {
    TRACE.with_borrow_mut(|trace| trace.as_mut().map(f)).ok_or_else(escaped)
}

/// The error for a stand-in that was kept beyond its trace.
fn escaped() -> Error {
    let message = "met a value of a function that has been compiled in the meantime: what the function computes leaves it \
                   by being returned, or through a parameter (Param::set)";
    Error::op("compile", message)
}

/// Ends with the error for reading what is not there yet.
#[track_caller]
#[cold]
pub(crate) fn no_value(what: &str) -> ! {
    unknown(what).raise()
}

/// The error for reading what is not there yet.
#[cold]
pub(crate) fn unknown(what: &str) -> Error {
    let message = format!(
        "cannot give {what} of a tensor in a function that is being compiled: there are none before it runs. Compute \
         with tensors instead (where_ in place of an if), return the tensor and read it outside, or leave this part out of \
         the compiled function"
    );
    Error::op("compile", message)
}

impl Trace {
    /// A new value, as the data of a tensor.
    fn fresh(&mut self, meta: Meta) -> Data {
        let id = TracedId { trace: self.number, value: self.graph.values.len() };
        let bytes = meta.bytes();
        let buffer = Arc::new(Buffer::traced(id, bytes));
        let layout = Layout::contiguous(&meta.shape);
        let data = Data { layout: layout.clone(), dtype: meta.dtype, buffer };
        self.graph.values.push(Value { meta, layout, bytes, constant: None });
        data
    }

    fn operand(&mut self, tensor: &Tensor) -> Result<Operand> {
        let Data { layout, dtype, buffer } = &tensor.0.data;
        let value = match buffer.traced_id() {
            Some(id) if id.trace == self.number => {
                let Value { layout, .. } = &self.graph.values[id.value];
                return Ok(Operand { value: id.value, layout: layout.clone(), dtype: *dtype });
            }
            Some(_) => return Err(escaped()),
            None => {
                let (layout, bytes, constant) = (layout.clone(), buffer.len(), Some(buffer.clone()));
                self.graph.values.push(Value { meta: tensor.meta(), layout, bytes, constant });
                self.graph.values.len() - 1
            }
        };
        Ok(Operand { value, layout: layout.clone(), dtype: *dtype })
    }

    fn push(&mut self, what: What, inputs: Vec<Operand>, outputs: Vec<ValueId>) {
        self.graph.equations.push(Equation { what, inputs, outputs, module: scope::current() });
    }

    /// Notes how a parameter looks, when it is first met.
    fn guard(&mut self, param: &Param, value: &Tensor, constant: bool) {
        if self.guards.seen.insert(param.key()) {
            let constant = constant.then(|| value.0.data.buffer.clone());
            let (layout, dtype, trainable) = (value.layout().clone(), value.dtype(), param.is_trainable());
            self.guards.params.push(Guard { param: param.clone(), layout, dtype, trainable, constant });
        }
    }
}

/// Records an op that reads a value of the trace; its outputs.
pub(crate) fn equation(op: &Arc<dyn Op>, inputs: &[&Tensor], metas: &[Meta]) -> Result<SmallVec<[Data; 1]>> {
    with(|trace| {
        let inputs = inputs.iter().map(|input| trace.operand(input)).collect::<Result<Vec<_>>>()?;
        let first = trace.graph.values.len();
        let outputs = metas.iter().map(|meta| trace.fresh(meta.clone())).collect();
        trace.push(What::Op(op.clone()), inputs, (first..first + metas.len()).collect());
        Ok(outputs)
    })?
}

/// The value that a parameter has at this point of the trace; `real` is the one it has now. One that `changes` from run
/// to run is no constant in inference either.
pub(crate) fn load(param: &Param, real: &Tensor, changes: bool) -> Tensor {
    let loaded = with(|trace| {
        if let Some(current) = trace.current.get(&param.key()) {
            return current.clone();
        }
        let constant = trace.inference && !changes;
        trace.guard(param, real, constant);
        if constant {
            return real.detach();
        }
        let data = trace.fresh(real.meta());
        let number = trace.graph.values.len() - 1;
        let value = &mut trace.graph.values[number];
        (value.layout, value.bytes) = (real.layout().clone(), real.0.data.buffer.len());
        trace.push(What::Load(param.clone()), Vec::new(), vec![number]);
        let tensor = param.attach(data);
        trace.current.insert(param.key(), tensor.clone());
        tensor
    });
    loaded.unwrap_or_else(|error| error.raise())
}

/// A tensor that does not depend on the arguments, as one whose ops are recorded all the same: for what the passes over a
/// graph should see before it is computed, such as the bytes of a quantized weight. Without a trace, the tensor itself.
pub fn deferred(tensor: &Tensor) -> Tensor {
    if !is_tracing() || tensor.is_traced() {
        return tensor.clone();
    }
    let made = with(|trace| {
        let data = trace.fresh(tensor.meta());
        let number = trace.graph.values.len() - 1;
        let (value, buffer) = (&mut trace.graph.values[number], &tensor.0.data.buffer);
        (value.layout, value.bytes, value.constant) = (tensor.layout().clone(), buffer.len(), Some(buffer.clone()));
        Tensor::make(data, None)
    });
    made.unwrap_or_else(|error| error.raise())
}

/// Notes a parameter that is made while tracing.
pub(crate) fn born(param: &Param) {
    let made = with(|trace| {
        param.with(|value| trace.current.insert(param.key(), value.clone()));
        trace.born.insert(param.key(), param.clone());
    });
    made.unwrap_or_else(|error| error.raise())
}

/// Gives a parameter another value from this point of the trace on.
pub(crate) fn store(param: &Param, value: &Tensor) -> Result<()> {
    with(|trace| {
        let operand = trace.operand(value)?;
        if !trace.born.contains_key(&param.key()) {
            param.with(|real| trace.guard(param, real, false));
            trace.push(What::Store(param.clone()), vec![operand], Vec::new());
        }
        trace.current.insert(param.key(), param.attach(value.0.data.clone()));
        Ok(())
    })?
}

/// Notes the mode that a layer is traced in.
pub(crate) fn guard_mode(mode: &Mode, training: bool) {
    // Outside of a trace there is nothing to note.
    let _ = with(|trace| {
        if trace.guards.seen.insert(mode.key()) {
            trace.guards.modes.push((mode.clone(), training));
        }
    });
}

/// Runs `f` with these tensors, once when nothing is being traced, and else whenever the compiled function comes to this
/// point: for what happens to places outside of tensors. `writes` are the parameters that `f` changes, with
/// [`Param::update`] or [`Param::set`]; it reads no others but through `inputs`.
///
/// An `f` that changes nothing is a check of values (labels in range) that ends the run with its error.
pub fn effect(
    name: &'static str,
    inputs: &[&Tensor],
    writes: Vec<Param>,
    f: impl Fn(&[Tensor]) -> Result<()> + Send + Sync + 'static,
) -> Result<()> {
    if !is_tracing() || writes.is_empty() && !inputs.iter().any(|t| t.is_traced()) {
        let inputs: Vec<Tensor> = inputs.iter().map(|&t| t.clone()).collect();
        return f(&inputs);
    }
    with(|trace| {
        let inputs = inputs.iter().map(|input| trace.operand(input)).collect::<Result<Vec<_>>>()?;
        for param in &writes {
            if trace.born.contains_key(&param.key()) {
                let message = format!(
                    "cannot change `{}` by `{name}`: it was made in the function that is being compiled; make it before",
                    param.name()
                );
                return Err(Error::op("compile", message));
            }
            trace.current.remove(&param.key());
        }
        trace.push(What::Effect(Effect { name, writes, run: Arc::new(f) }), inputs, Vec::new());
        Ok(())
    })?
}
