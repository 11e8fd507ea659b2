//! What indexing expressions read and write, beside PyTorch and NumPy (`fixtures/indexing.json`).

use hadal_core::{Index, Tensor};
use serde_json::Value;

fn sizes(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).expect("sizes")
}

/// A tensor of nested lists: its shape, and the leaves in order.
fn nested<T: Clone>(value: &Value, leaf: &impl Fn(&Value) -> T) -> (Vec<usize>, Vec<T>) {
    let Some(list) = value.as_array() else { return (Vec::new(), vec![leaf(value)]) };
    let parts: Vec<_> = list.iter().map(|v| nested(v, leaf)).collect();
    let shape = std::iter::once(parts.len()).chain(parts.first().map_or(Vec::new(), |p| p.0.clone()));
    (shape.collect(), parts.iter().flat_map(|p| p.1.clone()).collect())
}

fn entry(value: &Value) -> Index {
    match value {
        Value::Null => Index::NewAxis,
        Value::Number(at) => Index::At(at.as_i64().expect("a position") as isize),
        Value::String(_) => Index::Ellipsis,
        _ => {
            if let Some(positions) = value.get("positions") {
                let (shape, positions) = nested(positions, &|v| v.as_i64().expect("a position"));
                return Index::Tensor(Tensor::from_vec(positions, shape));
            }
            if let Some(mask) = value.get("mask") {
                let (shape, mask) = nested(mask, &|v| v.as_bool().expect("a truth value"));
                return Index::Tensor(Tensor::from_vec(mask, shape));
            }
            let bound = |i: usize| value["slice"][i].as_i64().map(|at| at as isize);
            Index::Range { start: bound(0), stop: bound(1), step: bound(2).expect("a step") }
        }
    }
}

#[test]
fn expressions_read_and_write_what_pytorch_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/indexing.json");
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut failures = Vec::new();
    for case in &cases {
        let shape = sizes(&case["shape"]);
        let x = Tensor::arange(shape.iter().product()).reshape(&shape[..]);
        let index: Vec<Index> = case["index"].as_array().expect("entries").iter().map(entry).collect();
        let mut check = |name: &str, got: hadal_core::Result<Tensor>, shape: &[usize]| {
            let expected: Vec<i64> = serde_json::from_value(case[name].clone()).expect("numbers");
            match got {
                Ok(got) if got.shape()[..] == *shape && got.to_vec::<i64>() == expected => {}
                Ok(got) => failures.push(format!("{} of {}: got {got:?}, not {expected:?}", name, case["index"])),
                Err(error) => failures.push(format!("{} of {} {}: {error}", name, case["shape"], case["index"])),
            }
        };
        check("out", x.try_slice(&index), &sizes(&case["out_shape"]));
        check("written", x.try_index_put(&index, -1), &shape);
        check("added", x.try_index_put_add(&index, 1), &shape);
    }
    assert!(cases.len() > 200 && failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
