//! Models of a single node, for tests.

use crate::{Model, Value, wire};
use hadal_core::{Result, Tensor};
use prost::Message;

/// What a node without attributes gives for these inputs, in opset 18.
pub(crate) fn run(operator: &str, inputs: &[Value]) -> Result<Value> {
    run_with(operator, vec![], inputs)
}

/// The same with attributes.
pub(crate) fn run_with(operator: &str, attributes: Vec<wire::Attribute>, inputs: &[Value]) -> Result<Value> {
    run_in("", 18, operator, attributes, inputs)
}

/// The same in a version of another domain.
pub(crate) fn run_in(
    domain: &str,
    version: i64,
    operator: &str,
    attributes: Vec<wire::Attribute>,
    inputs: &[Value],
) -> Result<Value> {
    let names: Vec<String> = (0..inputs.len()).map(|i| format!("x{i}")).collect();
    let port = |name: &String| wire::ValueInfo { name: name.clone(), r#type: None };
    let output = "y".to_owned();
    let graph = wire::Graph {
        inputs: names.iter().map(port).collect(),
        outputs: vec![port(&output)],
        nodes: vec![wire::Node {
            operator: operator.to_owned(),
            domain: domain.to_owned(),
            inputs: names.clone(),
            outputs: vec![output],
            attributes,
            ..Default::default()
        }],
        ..Default::default()
    };
    let opset = wire::OperatorSet { domain: domain.to_owned(), version };
    let model = wire::Model { graph: Some(Box::new(graph)), opset_import: vec![opset], ..Default::default() };
    let named: Vec<_> = names.iter().map(String::as_str).zip(inputs.iter().cloned()).collect();
    Ok(Model::from_bytes(model.encode_to_vec())?.run(&named)?.remove(0))
}

/// An attribute that is a string.
pub(crate) fn word(name: &str, value: &str) -> wire::Attribute {
    let kind = wire::AttributeKind::String as i32;
    wire::Attribute { name: name.into(), string: value.as_bytes().to_vec().into(), kind, ..Default::default() }
}

/// An attribute that is an integer.
pub(crate) fn int(name: &str, value: i64) -> wire::Attribute {
    wire::Attribute { name: name.into(), int: value, kind: wire::AttributeKind::Int as i32, ..Default::default() }
}

/// A vector of unsigned 64-bit numbers.
pub(crate) fn u64s(values: &[u64]) -> Value {
    let bits: Vec<i64> = values.iter().map(|&v| v as i64).collect();
    Value::Tensor(Tensor::from(bits), crate::ElementType::U64)
}

/// The elements of a vector of unsigned 64-bit numbers.
pub(crate) fn to_u64s(value: &Value) -> Vec<u64> {
    assert_eq!(value.element_type(), Some(crate::ElementType::U64));
    value.tensor().unwrap().to_vec::<i64>().into_iter().map(|v| v as u64).collect()
}
