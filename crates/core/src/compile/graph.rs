//! The graph: equations in the order in which they are run, over values that are numbered.

use crate::op::Op;
use crate::tensor::{Buffer, Data, Layout, Meta};
use crate::{DType, Param, Result, Tensor};
use std::fmt;
use std::sync::Arc;

/// What a compiled function does, as a list of equations; its `Display` form is one line for each.
///
/// As it is traced, a view (`reshape`, `permute`) is an equation like others; before it is run, views become the layouts
/// through which other equations read.
#[derive(Clone)]
pub struct Graph {
    pub(crate) values: Vec<Value>,
    pub(crate) equations: Vec<Equation>,
    /// The values of the arguments, in their order.
    pub(crate) inputs: Vec<ValueId>,
    pub(crate) outputs: Vec<Operand>,
}

/// The number of a value in its graph.
pub(crate) type ValueId = usize;

/// The bytes that an equation makes, or that are given.
#[derive(Clone)]
pub(crate) struct Value {
    /// Shape and type.
    pub(crate) meta: Meta,
    /// How its elements lie: without gaps, but for what is given.
    pub(crate) layout: Layout,
    pub(crate) bytes: usize,
    /// The bytes of a constant.
    pub(crate) constant: Option<Arc<Buffer>>,
}

/// How a value is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operand {
    pub(crate) value: ValueId,
    pub(crate) layout: Layout,
    pub(crate) dtype: DType,
}

impl Operand {
    pub(crate) fn meta(&self) -> Meta {
        Meta::new(&self.layout.shape, self.dtype)
    }

    /// The operand as a tensor over the bytes that the value has in a run.
    pub(crate) fn tensor(&self, buffer: Arc<Buffer>) -> Tensor {
        Tensor::make(Data { layout: self.layout.clone(), dtype: self.dtype, buffer }, None)
    }
}

/// One step.
#[derive(Clone)]
pub(crate) struct Equation {
    pub(crate) what: What,
    pub(crate) inputs: Vec<Operand>,
    pub(crate) outputs: Vec<ValueId>,
    /// The layer that the step belongs to.
    pub(crate) module: Option<String>,
}

/// What a step does.
#[derive(Clone)]
pub(crate) enum What {
    /// Computes.
    Op(Arc<dyn Op>),
    /// Computes several elementwise ops at once, tile by tile.
    Group(Vec<Member>),
    /// Reads the value that a parameter has at this moment.
    Load(Param),
    /// Gives a parameter the only input as its new value.
    Store(Param),
    /// Does something to places outside of the graph.
    Effect(Effect),
}

/// One elementwise op of a group.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) op: Arc<dyn Op>,
    pub(crate) inputs: Vec<Source>,
    pub(crate) meta: Meta,
    /// The output of the group that this is, if anything outside of it reads it.
    pub(crate) output: Option<usize>,
}

/// Where a member of a group reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// An input of the group.
    Input(usize),
    /// The result of an earlier member.
    Member(usize),
}

/// Something that happens in every run: an optimizer's update, a check of labels.
#[derive(Clone)]
pub(crate) struct Effect {
    pub(crate) name: &'static str,
    /// What it changes; an effect that changes nothing may only fail.
    pub(crate) writes: Vec<Param>,
    pub(crate) run: Arc<Act>,
}

/// What an effect does with its inputs.
pub(crate) type Act = dyn Fn(&[Tensor]) -> Result<()> + Send + Sync;

impl Graph {
    /// The number of steps.
    pub fn len(&self) -> usize {
        self.equations.len()
    }

    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        self.equations.is_empty()
    }

    /// How a value is called in print: `in0`, `c3`, `v5`.
    pub(crate) fn name(&self, value: ValueId) -> String {
        match self.inputs.iter().position(|&input| input == value) {
            Some(i) => format!("in{i}"),
            None if self.values[value].constant.is_some() => format!("c{value}"),
            None => format!("v{value}"),
        }
    }

    /// Adds an equation with one result, of which it gives the number.
    pub(crate) fn push(
        &mut self,
        op: Arc<dyn Op>,
        inputs: Vec<Operand>,
        meta: Meta,
        module: Option<String>,
    ) -> ValueId {
        let (layout, bytes) = (Layout::contiguous(&meta.shape), meta.bytes());
        self.values.push(Value { meta, layout, bytes, constant: None });
        let output = self.values.len() - 1;
        self.equations.push(Equation { what: What::Op(op), inputs, outputs: vec![output], module });
        output
    }

    /// All of a value, as it lies.
    pub(crate) fn whole(&self, value: ValueId) -> Operand {
        let Value { meta, layout, .. } = &self.values[value];
        Operand { value, layout: layout.clone(), dtype: meta.dtype }
    }

    /// Whether an operand is all of a value, without gaps.
    pub(crate) fn is_whole(&self, operand: &Operand) -> bool {
        operand.layout == self.values[operand.value].layout && operand.layout.is_contiguous()
    }

    fn operand(&self, operand: &Operand) -> String {
        let (name, value) = (self.name(operand.value), &self.values[operand.value]);
        match operand.layout == value.layout {
            true => name,
            false => format!("{name} as {}", operand.layout.shape),
        }
    }
}

impl Equation {
    /// The op's name, or what takes its place.
    pub(crate) fn title(&self) -> String {
        match &self.what {
            What::Op(op) => op.name().to_owned(),
            What::Group(members) => {
                let names: Vec<&str> = members.iter().map(|member| member.op.name()).collect();
                names.join(" · ")
            }
            What::Load(param) => format!("load {}", param.name()),
            What::Store(param) => format!("store {}", param.name()),
            What::Effect(effect) => effect.name.to_owned(),
        }
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = |&v: &ValueId| {
            let meta = &self.values[v].meta;
            format!("{}: {} {}", self.name(v), meta.dtype, meta.shape)
        };
        let list = |names: Vec<String>| names.join(", ");
        writeln!(f, "({}) {{", list(self.inputs.iter().map(typed).collect()))?;
        for equation in &self.equations {
            let made = list(equation.outputs.iter().map(typed).collect());
            let read = list(equation.inputs.iter().map(|o| self.operand(o)).collect());
            let equals = if made.is_empty() { "" } else { " = " };
            let call = if read.is_empty() { equation.title() } else { format!("{}({read})", equation.title()) };
            let module = equation.module.as_ref().map(|m| format!("  // {m}")).unwrap_or_default();
            writeln!(f, "    {made}{equals}{call}{module}")?;
        }
        writeln!(f, "    return {}", list(self.outputs.iter().map(|o| self.operand(o)).collect()))?;
        f.write_str("}")
    }
}
