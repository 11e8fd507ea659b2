//! The keyword arguments of a test case, as PyTorch was called with them.

use crate::{Axes, DType, Scalar, Tensor};
use serde_json::{Map, Value};

/// Keyword arguments by name; a missing one panics with the case's text.
#[derive(Clone, Debug, Default)]
pub struct Attributes(Map<String, Value>);

impl Attributes {
    /// From a JSON object.
    pub fn parse(json: &str) -> Attributes {
        Attributes(serde_json::from_str(json).unwrap_or_else(|e| panic!("attributes {json}: {e}")))
    }

    /// The value, unless missing or null.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|v| !v.is_null())
    }

    fn need<T>(&self, name: &str, value: Option<T>) -> T {
        value.unwrap_or_else(|| panic!("attribute `{name}` is missing or of another type in {:?}", self.0))
    }

    /// An integer.
    pub fn integer(&self, name: &str) -> isize {
        self.need(name, self.get(name).and_then(Value::as_i64)) as isize
    }

    /// An integer, or a default.
    pub fn integer_or(&self, name: &str, default: isize) -> isize {
        self.get(name).and_then(Value::as_i64).map_or(default, |v| v as isize)
    }

    /// A list of integers; a single one is a list of one.
    pub fn integers(&self, name: &str) -> Vec<isize> {
        let list = match self.get(name) {
            Some(Value::Array(list)) => list.iter().map(|v| v.as_i64().map(|v| v as isize)).collect(),
            Some(value) => value.as_i64().map(|v| vec![v as isize]),
            None => None,
        };
        self.need(name, list)
    }

    /// A list of sizes; a single one is a list of one.
    pub fn sizes(&self, name: &str) -> Vec<usize> {
        self.integers(name).into_iter().map(|v| v as usize).collect()
    }

    /// A shape in which −1 stands for the size that makes `elements` fit.
    pub fn shape_of(&self, name: &str, elements: usize) -> Vec<usize> {
        let sizes = self.integers(name);
        let known: isize = sizes.iter().filter(|s| **s >= 0).product();
        sizes.iter().map(|&s| if s < 0 { elements / (known as usize).max(1) } else { s as usize }).collect()
    }

    /// A number; `"inf"` and `"-inf"` are understood.
    pub fn float(&self, name: &str) -> f64 {
        self.need(name, self.float_opt(name))
    }

    /// A number, if given.
    pub fn float_opt(&self, name: &str) -> Option<f64> {
        self.get(name).and_then(|v| v.as_f64().or_else(|| v.as_str()?.parse().ok()))
    }

    /// A number, or a default.
    pub fn float_or(&self, name: &str, default: f64) -> f64 {
        self.float_opt(name).unwrap_or(default)
    }

    /// The operands of a binary call: two inputs, an input and the attribute `number` (on the left if the
    /// call says `number /` or the like), or one input twice.
    pub fn pair(&self, x: &[Tensor]) -> (Tensor, Tensor) {
        match (x, self.float_opt("number")) {
            ([a, b, ..], _) => (a.clone(), b.clone()),
            ([a], None) => (a.clone(), a.clone()),
            ([a], Some(number)) => {
                let whole = self.get("number").is_some_and(Value::is_i64);
                let scalar = if whole { Scalar::Int(number as i64) } else { Scalar::Float(number) };
                let b = scalar.tensor(scalar.dtype_beside(a.dtype()));
                let call = self.text("torch").split("->").last().unwrap_or_default();
                if call.trim_start().starts_with("number") { (b, a.clone()) } else { (a.clone(), b) }
            }
            ([], _) => panic!("a binary call needs an input"),
        }
    }

    /// The PyTorch expression of the call.
    pub fn torch(&self) -> &str {
        self.get("torch").and_then(Value::as_str).unwrap_or_default()
    }

    /// A truth value; missing means false.
    pub fn flag(&self, name: &str) -> bool {
        self.flag_or(name, false)
    }

    /// A truth value, or a default.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(default)
    }

    /// A word.
    pub fn text(&self, name: &str) -> &str {
        self.need(name, self.get(name).and_then(Value::as_str))
    }

    /// Axes: an integer, a list, or all when missing.
    pub fn axes(&self, name: &str) -> Axes {
        match self.get(name) {
            None => Axes::from(..),
            Some(_) => Axes::from(&self.integers(name)[..]),
        }
    }

    /// A data type by its PyTorch name (`float32`).
    pub fn dtype(&self, name: &str) -> DType {
        match self.text(name).trim_start_matches("torch.") {
            "bool" => DType::Bool,
            "uint8" => DType::U8,
            "int8" => DType::I8,
            "int32" => DType::I32,
            "int64" => DType::I64,
            "float16" => DType::F16,
            "bfloat16" => DType::BF16,
            "float32" => DType::F32,
            "float64" => DType::F64,
            other => panic!("no data type is called {other}"),
        }
    }
}
