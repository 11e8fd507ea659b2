//! The type of every operation's result beside PyTorch's (`fixtures/promotion.json`, see `fixtures/promotion.py`).

use hadal_core::{DType, Operand, Result, Scalar, Tensor};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

type Binary = fn(&Tensor, &Tensor) -> Result<Tensor>;
type Unary = fn(&Tensor) -> Result<Tensor>;

const BINARY: [(&str, Binary); 32] = [
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
    ("div_trunc", |a, b| a.try_div_trunc(b)),
    ("fmod", |a, b| a.try_fmod(b)),
    ("hypot", |a, b| a.try_hypot(b)),
    ("logaddexp", |a, b| a.try_logaddexp(b)),
    ("logaddexp2", |a, b| a.try_logaddexp2(b)),
    ("xlogy", |a, b| a.try_xlogy(b)),
    ("copysign", |a, b| a.try_copysign(b)),
    ("fmax", |a, b| a.try_fmax(b)),
    ("gcd", |a, b| a.try_gcd(b)),
    ("bitwise_left_shift", |a, b| a.try_bitwise_left_shift(b)),
    ("heaviside", |a, b| a.try_heaviside(b)),
    ("isclose", |a, b| a.try_isclose(b, 1e-5, 1e-8)),
    ("outer", |a, b| a.try_outer(b)),
    ("clamp_min", |a, b| a.try_clamp_min(b)),
    ("masked_fill", |a, b| a.try_masked_fill(&Tensor::from([true, false]), b)),
    ("dot", |a, b| a.try_dot(b)),
];

const UNARY: [(&str, Unary); 51] = [
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
    ("log_softmax", |x| x.try_log_softmax(0)),
    ("std", |x| x.try_std(..)),
    ("prod", |x| x.try_prod(..)),
    ("argmax", |x| x.try_argmax(..)),
    ("any", |x| x.try_any(..)),
    ("all", |x| x.try_all(..)),
    ("cumsum", |x| x.try_cumsum(0)),
    ("cumprod", |x| x.try_cumprod(0)),
    ("cummax", |x| Ok(x.try_cummax(0)?.0)),
    ("logsumexp", |x| x.try_logsumexp(..)),
    ("norm", |x| x.try_norm(2.0, ..)),
    ("median", |x| Ok(x.try_median(0)?.0)),
    ("count_nonzero", |x| x.try_count_nonzero(..)),
    ("nansum", |x| x.try_nansum(..)),
    ("nanmean", |x| x.try_nanmean(..)),
    ("rad2deg", |x| x.try_rad2deg()),
    ("deg2rad", |x| x.try_deg2rad()),
    ("sgn", |x| x.try_sign()),
    ("trunc", |x| x.try_trunc()),
    ("erf", |x| x.try_erf()),
    ("sort", |x| Ok(x.try_sort(-1, hadal_core::Order::Ascending)?.0)),
    ("diff", |x| x.try_diff(1, -1)),
    ("nan_to_num", |x| x.try_nan_to_num()),
    ("gelu", |x| x.try_gelu()),
    ("logit", |x| x.try_logit()),
    ("isposinf", |x| x.try_isposinf()),
    ("softplus", |x| x.try_softplus()),
    ("leaky_relu", |x| x.try_leaky_relu(0.01)),
    ("aminmax", |x| Ok(x.try_aminmax(..)?.0)),
    ("unique", |x| Ok(x.unique().values)),
    ("tril", |x| x.try_unsqueeze(0)?.try_tril(0)),
];

/// Where Hadal computes and PyTorch refuses: a bool beside a number in `-`, rounding, `argmax` and `median` of bools,
/// functions of real numbers given integers (in f32), and two operands of different types.
const ACCEPTED: [&str; 24] = [
    "argmax",
    "clamp_min",
    "dot",
    "floor",
    "gelu",
    "heaviside",
    "hypot",
    "isclose",
    "leaky_relu",
    "log_softmax",
    "logaddexp",
    "logaddexp2",
    "matmul",
    "mean",
    "median",
    "nanmean",
    "norm",
    "round",
    "softmax",
    "softplus",
    "std",
    "sub",
    "trunc",
    "var",
];

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
        // PyTorch keeps bytes for the sake of programs that had no bool yet.
        ("bool", "u8") if what == "any u8" || what == "all u8" => {}
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
