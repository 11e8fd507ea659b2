//! Every op's cases written as ONNX models and read again: the results must be those of the op.
//!
//! With `HADAL_ONNX_CASES=DIR` the models are also written to folders below DIR, with their inputs and outputs, for
//! `verify.py`.

mod cases;

use cases::{keep, run};
use hadal_core::testing::{Cases, FixtureCase, difference};
use hadal_core::{DType, Result, Tensor, attempt, no_grad, ops};
use hadal_onnx::Export;
use std::collections::{BTreeMap, BTreeSet};

/// Relative error, as for ops in `f32`.
const TOLERANCE: f64 = 2e-5;

/// Ops of which some case has no form in ONNX, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("adaptive_max_pool1d", "positions of maxima in windows of different sizes"),
    ("adaptive_max_pool2d", "the same"),
    ("adaptive_max_pool3d", "the same"),
    ("alpha_dropout", "random numbers that a key determines"),
    ("bernoulli", "random"),
    ("cholesky", "no operator"),
    ("cholesky_inverse", "cholesky"),
    ("cholesky_solve", "cholesky"),
    ("cond", "solve or svd"),
    ("dequantize_images", "a step of graphs that are quantized"),
    ("digamma", "no operator"),
    ("dropout", "random"),
    ("dynamic_quantized_linear", "a step of graphs that are quantized"),
    ("eig", "no operator"),
    ("eigh", "no operator"),
    ("eigvalsh", "eigh"),
    ("erfinv", "no operator"),
    ("gcd", "no operator"),
    ("integer_convolution", "a step of graphs that are quantized"),
    ("inverse", "solve"),
    ("lcm", "no operator"),
    ("lgamma", "no operator"),
    ("lstsq", "pinv"),
    ("lu", "no operator"),
    ("matrix_norm", "svd"),
    ("matrix_power", "inverse"),
    ("matrix_rank", "svd"),
    ("multinomial", "random"),
    ("pack_images", "a step of graphs that are quantized"),
    ("pinv", "no operator"),
    ("polygamma", "no operator"),
    ("qr", "no operator"),
    ("quantize_images", "a step of graphs that are quantized"),
    ("quantized_convolution", "a step of graphs that are quantized"),
    ("quantized_max_pool", "a step of graphs that are quantized"),
    ("quantized_sum", "a step of graphs that are quantized"),
    ("slogdet", "no operator"),
    ("solve", "no operator"),
    ("solve_triangular", "no operator"),
    ("svd", "no operator"),
    ("svdvals", "svd"),
    ("unpack_images", "a step of graphs that are quantized"),
    ("weight_quantized_linear", "a step of graphs that are quantized"),
];

enum Outcome {
    Same,
    /// The function cannot be traced: its results' shapes depend on elements.
    Untraced,
    Without(String),
    Different(String),
}

fn round_trip(cases: &Cases, name: &str, case: &FixtureCase) -> Result<Outcome> {
    let inputs = case.inputs(DType::F32);
    let call = |x: &[Tensor]| attempt(|| cases.call(&case.attributes, x));
    let expected = no_grad(|| call(&inputs))?;
    let names: Vec<String> = (0..inputs.len()).map(|i| format!("x{i}")).collect();
    let export = Export::new(names.iter().zip(&inputs).map(|(name, x)| (name.as_str(), x.meta())));
    let bytes = match export.to_bytes(&call) {
        Ok(bytes) => bytes,
        Err(error) if error.to_string().contains("in a function that is being compiled") => {
            return Ok(Outcome::Untraced);
        }
        Err(error) => return Ok(Outcome::Without(error.to_string())),
    };
    keep(&format!("{}-{name}", cases.op), &bytes, &inputs, &expected);
    let found = run(bytes, &names, &inputs)?;
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let apart = difference(found, expected);
        if found.dtype() != expected.dtype() || apart > TOLERANCE {
            let message = format!("output {i} differs by {apart:e}\n  got      {found:?}\n  expected {expected:?}");
            return Ok(Outcome::Different(message));
        }
    }
    Ok(match found.len() == expected.len() {
        true => Outcome::Same,
        false => Outcome::Different(format!("{} outputs instead of {}", found.len(), expected.len())),
    })
}

#[test]
fn every_case_comes_back() {
    let (mut same, mut untraced, mut failures) = (0, 0, Vec::new());
    let mut without: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut with: BTreeSet<&str> = BTreeSet::new();
    for cases in ops::all_cases() {
        for (name, case) in cases.all() {
            match attempt(|| round_trip(&cases, &name, &case)).and_then(|outcome| outcome) {
                Ok(Outcome::Same) => {
                    same += 1;
                    with.insert(cases.op);
                }
                Ok(Outcome::Untraced) => untraced += 1,
                Ok(Outcome::Without(why)) => {
                    without.entry(cases.op).or_default().insert(why);
                }
                Ok(Outcome::Different(how)) => failures.push(format!("{}/{name}: {how}", cases.op)),
                Err(error) => failures.push(format!("{}/{name}: {error}", cases.op)),
            }
        }
    }
    println!(
        "{same} cases of {} ops came back, {untraced} cannot be traced, {} ops have no form",
        with.len(),
        without.len()
    );
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    let found: BTreeSet<&str> = without.keys().copied().collect();
    let expected: BTreeSet<&str> = WITHOUT.iter().map(|(op, _)| *op).collect();
    assert_eq!(found, expected, "left: the ops without a form, right: those that are known to have none; {without:#?}");
}
