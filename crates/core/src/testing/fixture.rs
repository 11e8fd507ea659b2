//! Reading the results that PyTorch recorded (see `fixtures/README.md`), and comparing with them.

use super::Attributes;
use crate::format::safetensors;
use crate::{DType, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// A file of recorded cases.
pub struct Fixture {
    /// The cases by name.
    pub cases: BTreeMap<String, FixtureCase>,
}

/// One recorded call.
#[derive(Clone, Default)]
pub struct FixtureCase {
    /// The keyword arguments.
    pub attributes: Attributes,
    /// Tensors by what follows the case's name: `in0`, `out0`, `seed0`, `grad0`, `state/weight` …
    pub tensors: BTreeMap<String, Tensor>,
}

impl Fixture {
    /// Reads `fixtures/{name}.safetensors` of this repository.
    pub fn read(name: &str) -> Fixture {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(format!("{name}.safetensors"));
        let file = safetensors::read(path).unwrap_or_else(|e| e.raise());
        let mut cases: BTreeMap<String, FixtureCase> = BTreeMap::new();
        for (case, json) in &file.metadata {
            cases.entry(case.clone()).or_default().attributes = Attributes::parse(json);
        }
        for (key, tensor) in file.tensors {
            let (case, rest) = key.split_once('/').unwrap_or((&key, ""));
            cases.entry(case.to_owned()).or_default().tensors.insert(rest.to_owned(), tensor);
        }
        Fixture { cases }
    }

    /// Whether the file exists.
    pub fn exists(name: &str) -> bool {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        root.join(format!("{name}.safetensors")).exists()
    }
}

impl FixtureCase {
    /// The tensors `{prefix}0`, `{prefix}1`, … with their numbers.
    pub fn numbered(&self, prefix: &str) -> Vec<(usize, &Tensor)> {
        let number = |key: &String| key.strip_prefix(prefix)?.parse().ok();
        let mut found: Vec<_> = self.tensors.iter().filter_map(|(k, t)| Some((number(k)?, t))).collect();
        found.sort_by_key(|(i, _)| *i);
        found
    }

    /// The inputs in order, floats as `dtype`.
    pub fn inputs(&self, dtype: DType) -> Vec<Tensor> {
        self.numbered("in").into_iter().map(|(_, t)| float_as(t, dtype)).collect()
    }

    /// The layer's recorded parameters and buffers by their PyTorch names.
    pub fn state(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let start = format!("{prefix}/");
        self.tensors.iter().filter_map(|(k, t)| Some((k.strip_prefix(&start)?.to_owned(), t.clone()))).collect()
    }
}

/// A float tensor in another float type; others as they are.
pub(crate) fn float_as(t: &Tensor, dtype: DType) -> Tensor {
    if t.dtype().is_float() { t.to_dtype(dtype) } else { t.clone() }
}

/// The largest difference, relative to the largest finite magnitude expected. NaN equals NaN; a wrong
/// shape, a wrong infinity or a NaN on one side only is an infinite difference.
pub fn difference(got: &Tensor, expected: &Tensor) -> f64 {
    if got.shape() != expected.shape() {
        return f64::INFINITY;
    }
    let single = got.dtype() == DType::F32;
    let (got, expected) = (got.to_f64_vec(), expected.to_f64_vec());
    let scale = expected.iter().filter(|v| v.is_finite()).fold(0f64, |m, v| m.max(v.abs())).max(1e-30);
    let one = |(&a, &b): (&f64, &f64)| match (a, b) {
        _ if a == b || a.is_nan() && b.is_nan() => 0.0,
        _ if single && a.is_infinite() && b.abs() > f32::MAX as f64 && a.signum() == b.signum() => 0.0,
        _ if a.is_finite() && b.is_finite() => (a - b).abs() / scale,
        _ => f64::INFINITY,
    };
    got.iter().zip(&expected).map(one).fold(0.0, f64::max)
}

/// Panics unless [`difference`] is at most `tolerance`.
#[track_caller]
pub fn assert_close(got: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    let found = difference(got, expected);
    assert!(
        found <= tolerance,
        "{what}: differs by {found:e} (limit {tolerance:e})\ngot      {got:?}\nexpected {expected:?}"
    );
}
