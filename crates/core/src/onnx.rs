//! What a graph is in ONNX: nodes and the values between them, without the format of the file.
//!
//! Every op describes itself in its own file, by [`Op::onnx`](crate::op::Op::onnx); here is what it does that with.
//! The crate `hadal-onnx` writes the description to a file.

mod describe;
mod tidy;

pub use describe::describe;

use crate::tensor::{Meta, Shape};
use crate::{DType, Error, Param, Result, Scalar, Tensor, attempt, no_grad};
use std::cell::RefCell;

/// The version of the standard operators that ops are written in.
pub const OPSET: i64 = 21;

/// A value between nodes, by its number in [`Nodes::values`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Value(pub usize);

/// One value for each output of an op.
pub type Values = Vec<Value>;

impl Value {
    /// An optional input that is left out.
    pub const OMITTED: Value = Value(usize::MAX);
}

/// Where a value comes from.
#[derive(Clone)]
pub enum Origin {
    /// An argument of the function.
    Input,
    /// A parameter or buffer of the model.
    Parameter(Param),
    /// A tensor that does not depend on the arguments.
    Constant(Tensor),
    /// An output of a node.
    Node,
}

/// What a node is called with besides values.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Attribute {
    Int(i64),
    Float(f32),
    Text(&'static str),
    Ints(Vec<i64>),
    Texts(Vec<&'static str>),
}

/// A call of an operator.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// The operator's name in ONNX.
    pub operator: &'static str,
    /// What it reads.
    pub inputs: Values,
    /// What it makes.
    pub outputs: Values,
    /// Its settings.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// The layer that the node belongs to.
    pub module: Option<String>,
}

/// A function as nodes.
#[derive(Default)]
pub struct Nodes {
    /// Where each value comes from, and its shape and type where they are known.
    pub values: Vec<(Origin, Option<Meta>)>,
    /// The nodes, each after those that it reads from.
    pub nodes: Vec<Node>,
    /// The arguments.
    pub inputs: Values,
    /// The results.
    pub outputs: Values,
}

impl Nodes {
    fn add(&mut self, origin: Origin, meta: Option<Meta>) -> Value {
        self.values.push((origin, meta));
        Value(self.values.len() - 1)
    }

    /// The shape and type of a value, where they are known.
    pub fn meta(&self, value: Value) -> Option<&Meta> {
        self.values.get(value.0).and_then(|(_, meta)| meta.as_ref())
    }
}

macro_rules! attributes {
    ($($from:ty, $value:ident => $attribute:expr;)*) => { $(
        impl From<$from> for Attribute {
            fn from($value: $from) -> Attribute {
                $attribute
            }
        }
    )* };
}

attributes! {
    i64, n => Attribute::Int(n);
    usize, n => Attribute::Int(n as i64);
    bool, yes => Attribute::Int(yes as i64);
    f64, x => Attribute::Float(x as f32);
    &'static str, text => Attribute::Text(text);
    &[usize], list => Attribute::Ints(list.iter().map(|&n| n as i64).collect());
    Vec<i64>, list => Attribute::Ints(list);
}

/// The number by which ONNX knows a type of elements.
pub fn element_code(dtype: DType) -> i32 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::Bool => 9,
        DType::F16 => 10,
        DType::F64 => 11,
        DType::BF16 => 16,
    }
}

/// Whether runtimes lack most operators for the type; such elements are computed with as `i32`.
fn is_narrow(dtype: DType) -> bool {
    matches!(dtype, DType::Bool | DType::U8 | DType::I8)
}

/// What an op describes itself with: its inputs, the shapes and types around it, and ways to make nodes.
pub struct Writer<'a> {
    all: &'a RefCell<Nodes>,
    inputs: Values,
    metas: Vec<Meta>,
    outputs: Vec<Meta>,
    module: Option<String>,
}

impl Writer<'_> {
    /// Input `i`.
    pub fn input(&self, i: usize) -> Value {
        self.inputs[i]
    }

    /// All inputs.
    pub fn inputs(&self) -> &[Value] {
        &self.inputs
    }

    /// Shape and type of input `i`.
    pub fn meta(&self, i: usize) -> &Meta {
        &self.metas[i]
    }

    /// Shape and type of output `i`.
    pub fn output(&self, i: usize) -> &Meta {
        &self.outputs[i]
    }

    /// The outputs of a node.
    pub fn nodes(
        &self,
        operator: &'static str,
        inputs: &[Value],
        attributes: &[(&'static str, Attribute)],
        outputs: usize,
    ) -> Values {
        let mut all = self.all.borrow_mut();
        let outputs: Values = (0..outputs).map(|_| all.add(Origin::Node, None)).collect();
        let module = self.module.clone();
        let (inputs, attributes) = (inputs.to_vec(), attributes.to_vec());
        all.nodes.push(Node { operator, inputs, outputs: outputs.clone(), attributes, module });
        outputs
    }

    /// The only output of a node.
    pub fn node(&self, operator: &'static str, inputs: &[Value], attributes: &[(&'static str, Attribute)]) -> Value {
        self.nodes(operator, inputs, attributes, 1)[0]
    }

    /// The op as one node that reads all inputs.
    pub fn op(&self, operator: &'static str, attributes: &[(&'static str, Attribute)]) -> Result<Values> {
        Ok(vec![self.node(operator, &self.inputs, attributes)])
    }

    /// As [`Writer::op`]; booleans and integers of 8 bits, for which runtimes lack the operator, are computed with as
    /// `i32`.
    pub fn arithmetic(&self, operator: &'static str) -> Result<Values> {
        let inputs: Values = (0..self.inputs.len()).map(|i| self.wide(i)).collect();
        Ok(vec![self.narrow(self.node(operator, &inputs, &[]))])
    }

    /// As [`Writer::arithmetic`], for an operator that makes booleans.
    pub fn comparison(&self, operator: &'static str) -> Value {
        let inputs: Values = (0..self.inputs.len()).map(|i| self.wide(i)).collect();
        self.node(operator, &inputs, &[])
    }

    /// Input `i`, as `i32` if it is a boolean or an integer of 8 bits.
    pub fn wide(&self, i: usize) -> Value {
        match is_narrow(self.meta(i).dtype) {
            true => self.cast(self.input(i), DType::I32),
            false => self.input(i),
        }
    }

    /// The way back from [`Writer::wide`], to the type of output 0.
    pub fn narrow(&self, value: Value) -> Value {
        let dtype = self.output(0).dtype;
        if is_narrow(dtype) { self.cast(value, dtype) } else { value }
    }

    /// `value` as another type.
    pub fn cast(&self, value: Value, dtype: DType) -> Value {
        self.node("Cast", &[value], &[("to", i64::from(element_code(dtype)).into())])
    }

    /// A tensor that is part of the graph.
    pub fn constant(&self, tensor: &Tensor) -> Value {
        self.all.borrow_mut().add(Origin::Constant(tensor.clone()), Some(tensor.meta()))
    }

    /// A number of the type of input 0, without axes.
    pub fn number(&self, number: impl Into<Scalar>) -> Value {
        self.constant(&number.into().tensor(self.meta(0).dtype))
    }

    /// A vector of `i64`.
    pub fn integers(&self, numbers: &[i64]) -> Value {
        self.constant(&Tensor::from_slice(numbers))
    }

    /// Sizes as a vector of `i64`.
    pub fn sizes(&self, sizes: &[usize]) -> Value {
        self.integers(&sizes.iter().map(|&n| n as i64).collect::<Vec<_>>())
    }

    /// `value` under another shape of as many elements.
    pub fn reshape(&self, value: Value, shape: &[usize]) -> Value {
        // A size of 0 would otherwise stand for the one that is there.
        let zeros = shape.contains(&0);
        let attributes: &[_] = if zeros { &[("allowzero", Attribute::Int(1))] } else { &[] };
        let reshaped = self.node("Reshape", &[value, self.sizes(shape)], attributes);
        if let Some(meta) = self.known(value) {
            self.know(reshaped, meta.with_shape(shape));
        }
        reshaped
    }

    /// `value` with its axes in another order.
    pub fn transpose(&self, value: Value, order: &[usize]) -> Value {
        self.node("Transpose", &[value], &[("perm", order.into())])
    }

    /// `operator` over `axes` of `value`.
    pub fn reduce(&self, operator: &'static str, value: Value, axes: &[usize], keep: bool) -> Value {
        match axes {
            [] => value,
            _ => self.node(operator, &[value, self.sizes(axes)], &[("keepdims", keep.into())]),
        }
    }

    /// `operator`, which makes positions, over `axes` of input 0 taken as one.
    pub fn position(&self, operator: &'static str, axes: &[usize], keep: bool) -> Value {
        let (x, shape) = (self.wide(0), &self.meta(0).shape);
        if let [axis] = axes {
            return self.node(operator, &[x], &[("axis", (*axis).into()), ("keepdims", keep.into())]);
        }
        let outer: Vec<usize> = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
        let mut rows: Vec<usize> = outer.iter().map(|&axis| shape[axis]).collect();
        rows.push(axes.iter().map(|&axis| shape[axis]).product());
        let rows = self.reshape(self.transpose(x, &[&outer[..], axes].concat()), &rows);
        let found = self.node(operator, &[rows], &[("axis", (-1i64).into()), ("keepdims", false.into())]);
        self.reshape(found, &self.output(0).shape)
    }

    /// Input 0 multiplied by a matrix `[results, size]` along `axis`: each result is a weighted sum along it.
    pub fn along(&self, value: Value, rank: usize, axis: usize, matrix: &Tensor) -> Value {
        if axis + 2 == rank {
            return self.node("MatMul", &[self.constant(matrix), value], &[]);
        }
        let transposed = self.constant(&matrix.t().contiguous());
        if axis + 1 == rank {
            return self.node("MatMul", &[value, transposed], &[]);
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(axis, rank - 1);
        let product = self.node("MatMul", &[self.transpose(value, &order), transposed], &[]);
        self.transpose(product, &order)
    }

    /// The op's only output in other ops, which describe themselves.
    pub fn composed(&self, f: impl Fn(&[Tensor]) -> Tensor) -> Result<Values> {
        self.composed_all(|inputs| Ok(vec![f(inputs)]))
    }

    /// The op's outputs, or the first of them, in other ops, which describe themselves.
    pub fn composed_all(&self, f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> Result<Values> {
        let run = || no_grad(|| crate::compile::Graph::of(&self.metas, &|inputs| attempt(|| f(inputs))?));
        let graph = match &self.module {
            Some(module) => crate::scope::within(module, run)?,
            None => run()?,
        };
        describe::append(self.all, &graph, &self.inputs)
    }

    /// The error of an op that cannot be said in ONNX.
    pub fn no_form(&self, why: &str) -> Error {
        Error::invalid(why)
    }

    /// The node that made a value, if one did.
    pub fn maker(&self, value: Value) -> Option<Node> {
        self.all.borrow().nodes.iter().rev().find(|node| node.outputs.contains(&value)).cloned()
    }

    /// The inputs of the node that made a value, if that is a call of `operator`.
    pub fn made_by(&self, value: Value, operator: &str) -> Option<Values> {
        self.maker(value).filter(|node| node.operator == operator).map(|node| node.inputs)
    }

    /// The shape and type of a value, where they are known.
    pub fn known(&self, value: Value) -> Option<Meta> {
        self.all.borrow().meta(value).cloned()
    }

    /// Says what shape and type a value has.
    pub fn know(&self, value: Value, meta: Meta) {
        self.all.borrow_mut().values[value.0].1 = Some(meta);
    }

    /// The tensor that a value is, if it is a constant.
    pub fn constant_of(&self, value: Value) -> Option<Tensor> {
        match &self.all.borrow().values.get(value.0)?.0 {
            Origin::Constant(tensor) => Some(tensor.clone()),
            _ => None,
        }
    }

    /// What a value was before its shape was changed, if it was; `shape` says whether a shape will do.
    pub fn before_reshape(&self, value: Value, shape: impl Fn(&Shape) -> bool) -> Value {
        let before = self.made_by(value, "Reshape").map(|inputs| inputs[0]);
        before.filter(|&before| self.known(before).is_some_and(|meta| shape(&meta.shape))).unwrap_or(value)
    }
}
