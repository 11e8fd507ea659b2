//! Running a graph: its equations one after the other, over memory that is kept from run to run.

use super::graph::{Equation, Graph, Operand, Value, ValueId, What};
use super::plan::{Plan, plan};
use crate::op::{Input, Output};
use crate::run::copy::gather;
use crate::tensor::{Buffer, Data, Layout, Meta};
use crate::{Result, Tensor, dispatch, profile};
use smallvec::SmallVec;
use std::collections::HashSet;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

/// A graph with its memory plan.
pub(crate) struct Program {
    pub(crate) graph: Graph,
    plan: Plan,
    /// Whether each argument may be kept by a tensor that outlives the run.
    kept: Vec<bool>,
    /// Memory that no run is using.
    frames: Mutex<Vec<Frame>>,
}

/// The memory of one run.
struct Frame {
    slots: Vec<Slot>,
    /// What the slots' parts lie in.
    _arena: Buffer,
}

/// The bytes of one value during a run.
enum Slot {
    /// Not made yet, or done with.
    Empty,
    /// Made by this run, or a part of the arena.
    Own(Buffer),
    /// A tensor's.
    Shared(Arc<Buffer>),
}

impl Slot {
    fn buffer(&self) -> &Buffer {
        match self {
            Slot::Own(buffer) => buffer,
            Slot::Shared(buffer) => buffer,
            Slot::Empty => unreachable!("a value is read after it is made, and before it is done with"),
        }
    }

    /// The bytes to be kept by a tensor.
    fn share(&mut self) -> Arc<Buffer> {
        if let Slot::Own(_) = self
            && let Slot::Own(buffer) = std::mem::replace(self, Slot::Empty)
        {
            *self = Slot::Shared(Arc::new(buffer));
        }
        match self {
            Slot::Shared(buffer) => buffer.clone(),
            _ => unreachable!("a value is read after it is made, and before it is done with"),
        }
    }
}

impl Program {
    pub(crate) fn new(graph: Graph) -> Program {
        let plan = plan(&graph);
        let computes = |equation: &&Equation| matches!(equation.what, What::Op(_) | What::Group(_));
        let others = graph.equations.iter().filter(|equation| !computes(equation));
        let given: HashSet<ValueId> = others.flat_map(|e| &e.inputs).chain(&graph.outputs).map(|o| o.value).collect();
        let kept = graph.inputs.iter().map(|value| given.contains(value)).collect();
        Program { graph, plan, kept, frames: Mutex::default() }
    }

    /// The bytes that a run needs besides arguments, parameters and results.
    pub(crate) fn memory(&self) -> usize {
        self.plan.bytes
    }

    /// Runs the graph on arguments of the types and shapes that it was traced for, which are contiguous.
    pub(crate) fn run(&self, arguments: &[Tensor]) -> Result<Vec<Tensor>> {
        self.run_to(arguments, |_, _| ())
    }

    /// Runs the graph, and shows some of its values, each when it is made.
    pub(crate) fn observe(
        &self,
        arguments: &[Tensor],
        values: &[ValueId],
        visit: &mut dyn FnMut(ValueId, &Tensor),
    ) -> Result<()> {
        for (&value, argument) in self.graph.inputs.iter().zip(arguments).filter(|(value, _)| values.contains(value)) {
            visit(value, argument);
        }
        let made = |equation: &Equation, frame: &Frame| {
            for &value in equation.outputs.iter().filter(|value| values.contains(value)) {
                let Value { meta, layout, .. } = &self.graph.values[value];
                let copy = Arc::new(Buffer::from_slice(frame.slots[value].buffer().bytes()));
                let data = Data { layout: layout.clone(), dtype: meta.dtype, buffer: copy };
                visit(value, &Tensor::make(data, None));
            }
        };
        self.run_to(arguments, made)?;
        Ok(())
    }

    /// Runs the graph, calling `made` after each equation.
    fn run_to(&self, arguments: &[Tensor], mut made: impl FnMut(&Equation, &Frame)) -> Result<Vec<Tensor>> {
        let free = self.frames.lock().unwrap_or_else(|e| e.into_inner()).pop();
        let mut frame = free.unwrap_or_else(|| self.frame());
        for ((&value, argument), &kept) in self.graph.inputs.iter().zip(arguments).zip(&self.kept) {
            frame.slots[value] = self.argument(argument, kept);
        }
        for (equation, done) in self.graph.equations.iter().zip(&self.plan.done) {
            self.step(equation, &mut frame)?;
            made(equation, &frame);
            done.iter().for_each(|&value| frame.slots[value] = Slot::Empty);
        }
        let outputs = self.graph.outputs.iter().map(|o| o.tensor(frame.slots[o.value].share())).collect();
        for value in self.graph.outputs.iter().map(|o| o.value).chain(self.graph.inputs.iter().copied()) {
            if self.graph.values[value].constant.is_none() {
                frame.slots[value] = Slot::Empty;
            }
        }
        self.frames.lock().unwrap_or_else(|e| e.into_inner()).push(frame);
        Ok(outputs)
    }

    /// An argument's elements from the start of a buffer, as a graph reads them.
    fn argument(&self, argument: &Tensor, kept: bool) -> Slot {
        let Data { layout, dtype, buffer } = &argument.0.data;
        if layout.offset == 0 {
            return Slot::Shared(buffer.clone());
        }
        if kept {
            return Slot::Shared(copied(argument).0.data.buffer.clone());
        }
        let bytes = buffer.bytes()[layout.offset * dtype.size()..].as_ptr().cast_mut();
        let start = NonNull::new(bytes).expect("no pointer into a slice is null");
        // SAFETY: a contiguous tensor's elements follow on each other from its offset on; the argument outlives the run, at
        // whose end the slot is emptied; arguments are never written.
        Slot::Own(unsafe { Buffer::part(start, argument.meta().bytes()) })
    }

    fn frame(&self) -> Frame {
        let mut arena = Buffer::recycled(self.plan.bytes);
        let start = NonNull::from(arena.bytes_mut()).cast::<u8>();
        let slot = |(value, offset): (ValueId, &Option<usize>)| match (offset, &self.graph.values[value].constant) {
            // SAFETY: the plan keeps every value within the arena, which the frame holds as long as its slots, and those
            // that live at the same time apart; a run has the frame for itself.
            (Some(offset), _) => Slot::Own(unsafe { Buffer::part(start.add(*offset), self.graph.values[value].bytes) }),
            (None, Some(constant)) => Slot::Shared(constant.clone()),
            (None, None) => Slot::Empty,
        };
        Frame { slots: self.plan.offsets.iter().enumerate().map(slot).collect(), _arena: arena }
    }

    fn step(&self, equation: &Equation, frame: &mut Frame) -> Result<()> {
        let Equation { what, inputs, outputs, module } = equation;
        match what {
            What::Op(op) => {
                let span = profile::open_step(&**op, module.as_deref());
                self.compute(outputs, inputs, frame, |inputs, outputs| op.run(inputs, outputs));
                if let Some(span) = span {
                    let metas: Vec<Meta> = outputs.iter().map(|&value| self.meta(value).clone()).collect();
                    span.complete_step(&**op, inputs.iter().map(|o| (&o.layout, o.dtype)), &metas);
                }
            }
            What::Group(members) => {
                let span = profile::open(profile::What::Op, "fused");
                self.compute(outputs, inputs, frame, |inputs, outputs| super::tiles::run(members, inputs, outputs));
                drop(span);
            }
            What::Load(param) => {
                frame.slots[outputs[0]] = Slot::Shared(param.with(|value| value.0.data.buffer.clone()));
            }
            What::Store(param) => {
                let value = inputs[0].tensor(frame.slots[inputs[0].value].share());
                let whole = value.is_contiguous() && value.0.data.buffer.len() == value.meta().bytes();
                // A part of something larger would keep all of that.
                param.replace(&if whole { value } else { copied(&value) });
            }
            What::Effect(effect) => {
                let given: Vec<Tensor> = inputs.iter().map(|o| o.tensor(frame.slots[o.value].share())).collect();
                (effect.run)(&given)?;
            }
        }
        Ok(())
    }

    fn meta(&self, value: ValueId) -> &Meta {
        &self.graph.values[value].meta
    }

    /// Calls `run` with the inputs, and the outputs to be filled.
    fn compute(
        &self,
        outputs: &[ValueId],
        inputs: &[Operand],
        frame: &mut Frame,
        run: impl FnOnce(&[Input], &mut [Output]),
    ) {
        let mut taken: SmallVec<[Buffer; 1]> = SmallVec::new();
        for &value in outputs {
            taken.push(match std::mem::replace(&mut frame.slots[value], Slot::Empty) {
                Slot::Own(buffer) => buffer,
                _ => Buffer::recycled(self.graph.values[value].bytes),
            });
        }
        let read = |o: &'_ Operand| (frame.slots[o.value].buffer(), o.dtype);
        let views: SmallVec<[Input; 4]> = inputs
            .iter()
            .map(|o| (o, read(o)))
            .map(|(o, (buffer, dtype))| Input::new(&o.layout, dtype, buffer))
            .collect();
        let metas = outputs.iter().map(|&value| self.meta(value));
        let mut made: SmallVec<[Output; 1]> =
            metas.zip(&mut taken).map(|(meta, buffer)| Output::new(meta, buffer)).collect();
        run(&views, &mut made);
        drop((views, made));
        for (&value, buffer) in outputs.iter().zip(taken) {
            frame.slots[value] = Slot::Own(buffer);
        }
    }
}

/// The same elements in a buffer of their own.
fn copied(value: &Tensor) -> Tensor {
    let data = &value.0.data;
    let mut buffer = Buffer::recycled(value.meta().bytes());
    dispatch!(moves value.dtype(), T => gather(data.buffer.slice::<T>(), &data.layout, buffer.slice_mut()));
    Tensor::of_buffer(buffer, Layout::contiguous(value.shape()), value.dtype())
}
