//! The type of every operation's result beside PyTorch's (`fixtures/promotion.json`, see `fixtures/promotion.py`).

use hadal_core::{DType, Operand, Result, Scalar, Tensor};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

type Binary = fn(&Tensor, &Tensor) -> Result<Tensor>;
type Unary = fn(&Tensor) -> Result<Tensor>;

const BINARY: [(&str, Binary); 16] = [
    ("add", |a, b| a.try_add(b)),
    ("sub", |a, b| a.try_sub(b)),
    ("mul", |a, b| a.try_mul(b)),
    ("div", |a, b| a.try_div(b)),
    ("div_floor", |a, b| a.try_div_floor(b)),
    ("remainder", |a, b| a.try_remainder(b)),
    ("pow", |a, b| a.try_pow(b)),
    ("atan2", |a, b| a.try_atan2(b)),
    ("eq", |a, b| a.try_eq(b)),
    ("lt", |a, b| a.try_lt(b)),
    ("maximum", |a, b| a.try_maximum(b)),
    ("bitwise_and", |a, b| a.try_bitwise_and(b)),
    ("logical_and", |a, b| a.try_logical_and(b)),
    ("where", |a, b| Tensor::from([true, false]).try_where_(a, b)),
    ("cat", |a, b| Tensor::try_cat(&[a, b], 0)),
    ("matmul", |a, b| a.try_matmul(b)),
];

const UNARY: [(&str, Unary); 20] = [
    ("neg", |x| x.try_neg()),
    ("abs", |x| x.try_abs()),
    ("sign", |x| x.try_sign()),
    ("square", |x| x.try_square()),
    ("exp", |x| x.try_exp()),
    ("sqrt", |x| x.try_sqrt()),
    ("sin", |x| x.try_sin()),
    ("sigmoid", |x| x.try_sigmoid()),
    ("reciprocal", |x| x.try_reciprocal()),
    ("floor", |x| x.try_floor()),
    ("round", |x| x.try_round()),
    ("relu", |x| x.try_relu()),
    ("isnan", |x| x.try_isnan()),
    ("logical_not", |x| x.try_logical_not()),
    ("bitwise_not", |x| x.try_bitwise_not()),
    ("sum", |x| x.try_sum(..)),
    ("mean", |x| x.try_mean(..)),
    ("var", |x| x.try_var(..)),
    ("amax", |x| x.try_amax(..)),
    ("softmax", |x| x.try_softmax(0)),
];

/// Where Hadal computes and PyTorch refuses: a bool beside a number in `-`, rounding of bools (unchanged), means of
/// integers (in f32), and products of tensors of different types.
const ACCEPTED: [&str; 7] = ["floor", "matmul", "mean", "round", "softmax", "sub", "var"];

fn table() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/promotion.json");
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn dtype(name: &str) -> DType {
    *DType::ALL.iter().find(|d| d.name() == name).unwrap_or_else(|| panic!("no type is called {name}"))
}

fn number(name: &str) -> Scalar {
    match name {
        "bool" => Scalar::Bool(true),
        "int" => Scalar::Int(1),
        _ => Scalar::Float(1.0),
    }
}

fn operand(kind: &str, name: &str, beside: Option<&Tensor>) -> Tensor {
    match (kind, beside) {
        ("tensor", _) => Tensor::full_with(2, 1, dtype(name)),
        ("rank0", _) => Tensor::full_with((), 1, dtype(name)),
        (_, Some(other)) => number(name).beside(other),
        (_, None) => unreachable!("two numbers are not an operation on tensors"),
    }
}

/// Compares one result; notes in `accepted` what only Hadal computes.
fn compare(
    what: &str,
    got: Result<Tensor>,
    expected: &str,
    failures: &mut Vec<String>,
    accepted: &mut BTreeSet<String>,
) {
    // Hadal has no i16: u8 with i8 gives i32.
    let expected = if expected == "i16" { "i32" } else { expected };
    let got = got.map_or("error", |t| t.dtype().name());
    match (got, expected) {
        _ if got == expected => {}
        // PyTorch's shortcut for an exponent equal to 1; any other power of booleans is an error there too.
        ("error", "bool") if what == "pow tensor_number bool bool" => {}
        (_, "error") => drop(accepted.insert(what.split(' ').next().unwrap_or(what).to_owned())),
        _ => failures.push(format!("{what}: got {got}, PyTorch gives {expected}")),
    }
}

fn rows(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

#[test]
fn results_have_the_types_of_pytorch() {
    let table = table();
    let (mut failures, mut accepted, mut compared) = (Vec::new(), BTreeSet::new(), 0);
    for (name, op) in BINARY {
        for (kinds, left_rows) in rows(&table["binary"][name]) {
            let (left_kind, right_kind) = kinds.split_once('_').expect("two kinds of operands");
            for (left, right_row) in rows(left_rows) {
                for (right, expected) in rows(right_row) {
                    let (a, b) = if left_kind == "number" {
                        let b = operand(right_kind, right, None);
                        (operand(left_kind, left, Some(&b)), b)
                    } else {
                        let a = operand(left_kind, left, None);
                        let b = operand(right_kind, right, Some(&a));
                        (a, b)
                    };
                    let what = format!("{name} {kinds} {left} {right}");
                    compare(&what, op(&a, &b), expected.as_str().expect("a type"), &mut failures, &mut accepted);
                    compared += 1;
                }
            }
        }
    }
    for (name, op) in UNARY {
        for (dtype, expected) in rows(&table["unary"][name]) {
            let x = operand("tensor", dtype, None);
            compare(
                &format!("{name} {dtype}"),
                op(&x),
                expected.as_str().expect("a type"),
                &mut failures,
                &mut accepted,
            );
            compared += 1;
        }
    }
    println!("{compared} results");
    assert!(failures.is_empty(), "{} of {compared} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(accepted.iter().eq(ACCEPTED.iter()), "computed here and refused by PyTorch: {accepted:?}");
}
