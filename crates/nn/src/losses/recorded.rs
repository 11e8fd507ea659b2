//! Comparison with the losses in `fixtures/losses`.

use super::Reduction;
use hadal_core::testing::{Attributes, Fixture, assert_close};
use hadal_core::{DType, Tensor};

/// Relative error allowed in f64 and f32, as in `fixtures/README.md`.
const TOLERANCES: [(DType, f64); 2] = [(DType::F64, 1e-10), (DType::F32, 2e-5)];

/// Compares value and gradients of every recorded case.
#[track_caller]
pub fn compare(name: &str, loss: impl Fn(&Attributes, &[Tensor]) -> Tensor) {
    compare_cases(name, |_| true, loss);
}

/// As [`compare`], for the cases that `wanted` admits.
#[track_caller]
pub fn compare_cases(name: &str, wanted: impl Fn(&str) -> bool, loss: impl Fn(&Attributes, &[Tensor]) -> Tensor) {
    for (label, case) in Fixture::read(&format!("losses/{name}")).cases.into_iter().filter(|(label, _)| wanted(label)) {
        for (dtype, tolerance) in TOLERANCES {
            // What has no recorded gradient (targets, weights) is not differentiated.
            let differentiated = |i: usize| case.tensors.contains_key(&format!("grad{i}"));
            let inputs: Vec<Tensor> = case
                .inputs(dtype)
                .into_iter()
                .enumerate()
                .map(|(i, x)| if differentiated(i) { x.requires_grad() } else { x })
                .collect();
            let output = loss(&case.attributes, &inputs);
            assert_close(&output, &case.tensors["out0"], tolerance, &format!("{name}/{label} in {dtype}"));
            let Some(seed) = case.tensors.get("seed0") else { continue };
            let gradients = output.backward_from(&seed.to_dtype(dtype));
            for (i, expected) in case.numbered("grad") {
                let found = gradients.of(&inputs[i]).unwrap();
                assert_close(found, expected, tolerance, &format!("{name}/{label} in {dtype}: gradient {i}"));
            }
        }
    }
}

/// The recorded reduction; the mean if there is none.
pub fn reduction(a: &Attributes) -> Reduction {
    match a.get("reduction").and_then(|r| r.as_str()) {
        Some("none") => Reduction::None,
        Some("sum") => Reduction::Sum,
        _ => Reduction::Mean,
    }
}
