//! Runs the ONNX project's backend tests: `conformance DIR [--json] [--only WORD]`.
//!
//! Every `DIR/*/model.onnx` is run on the inputs of each of its `test_data_set_*` and compared with the outputs there,
//! as the project's own runner does: equal types and shapes, |Δ| ≤ atol + rtol·|expected|, NaN equal to NaN. The
//! tolerances are those of the case's `data.json`, by default 1e-3 and 1e-7. Failures are listed by reason, or with
//! `--json` one a line; the last line counts.

use hadal_core::{Result, no_grad};
use hadal_onnx::{ElementType, Model, Value};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Clone, Copy)]
struct Tolerance {
    relative: f64,
    absolute: f64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first() else {
        eprintln!("usage: conformance DIR [--json] [--only WORD]");
        return ExitCode::FAILURE;
    };
    let json = arguments.iter().any(|a| a == "--json");
    let only = arguments.iter().position(|a| a == "--only").and_then(|i| arguments.get(i + 1));
    let mut cases: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|e| e.path()).filter(|p| p.join("model.onnx").is_file()).collect(),
        Err(e) => {
            eprintln!("{folder}: {e}");
            return ExitCode::FAILURE;
        }
    };
    cases.sort();
    if let Some(word) = only {
        cases.retain(|case| name(case).contains(word.as_str()));
    }
    // A panic is reported as the failure that it is, in its place.
    std::panic::set_hook(Box::new(|_| {}));
    let mut failures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for case in &cases {
        let outcome = catch_unwind(AssertUnwindSafe(|| no_grad(|| run(case))));
        let reason = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(reason)) => reason,
            Err(panic) => format!("panic: {}", panic_message(&*panic)),
        };
        if json {
            println!("{}", serde_json::json!({ "case": name(case), "reason": reason }));
        }
        failures.entry(reason).or_default().push(name(case));
    }
    let failed = failures.values().map(Vec::len).sum::<usize>();
    if !json {
        for (reason, cases) in &failures {
            println!("{} × {reason}\n    {}", cases.len(), cases.join(" "));
        }
    }
    println!("{}", serde_json::json!({ "passed": cases.len() - failed, "failed": failed, "total": cases.len() }));
    ExitCode::SUCCESS
}

fn name(case: &Path) -> String {
    case.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_else(|| "of unknown kind".into())
}

/// The reason if the case fails.
fn run(case: &Path) -> Result<(), String> {
    let file = case.join("model.onnx");
    // Without the file's path, so that equal reasons are listed once.
    let model = Model::load(&file).map_err(|e| e.to_string().replace(&format!("{}: ", file.display()), ""))?;
    let tolerance = tolerance(case);
    let mut sets: Vec<PathBuf> = std::fs::read_dir(case).into_iter().flatten().flatten().map(|e| e.path()).collect();
    sets.retain(|path| name(path).starts_with("test_data_set_"));
    sets.sort();
    for set in sets {
        let mut inputs = Vec::new();
        for (i, port) in model.inputs().iter().enumerate() {
            inputs.push((port.name.as_str(), read(&set.join(format!("input_{i}.pb")), port)?));
        }
        let outputs = model.run(&inputs).map_err(|e| e.to_string())?;
        for (i, (port, got)) in model.outputs().iter().zip(&outputs).enumerate() {
            let expected = read(&set.join(format!("output_{i}.pb")), port)?;
            compare(&expected, got, tolerance).map_err(|problem| format!("wrong result: {problem}"))?;
        }
    }
    Ok(())
}

fn read(path: &Path, port: &hadal_onnx::Port) -> Result<Value, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", name(path)))?;
    let declared = port.r#type.as_ref().ok_or("a value without a declared type")?;
    Model::read_value(bytes, declared).map_err(|e| e.to_string())
}

fn tolerance(case: &Path) -> Tolerance {
    let text = std::fs::read_to_string(case.join("data.json")).unwrap_or_default();
    let data: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let number = |key: &str, default: f64| data[key].as_f64().unwrap_or(default);
    Tolerance { relative: number("rtol", 1e-3), absolute: number("atol", 1e-7) }
}

/// What differs, if anything does.
fn compare(expected: &Value, got: &Value, tolerance: Tolerance) -> Result<(), String> {
    match (expected, got) {
        (Value::Optional(None), Value::Optional(None)) => Ok(()),
        (Value::Optional(Some(expected)), got) => compare(expected, got, tolerance),
        (expected, Value::Optional(Some(got))) => compare(expected, got, tolerance),
        (Value::Sequence(expected), Value::Sequence(got)) => {
            if expected.len() != got.len() {
                return Err("another number of elements in a sequence".into());
            }
            expected.iter().zip(got.iter()).try_for_each(|(e, g)| compare(e, g, tolerance))
        }
        (Value::Strings(expected), Value::Strings(got)) => match expected.shape() == got.shape() {
            true if expected.to_vec() == got.to_vec() => Ok(()),
            true => Err("other strings".into()),
            false => Err("another shape".into()),
        },
        (Value::Tensor(expected, element), Value::Tensor(got, got_element)) => {
            if element != got_element {
                return Err(format!("{got_element} instead of {element}"));
            }
            if expected.shape() != got.shape() {
                return Err("another shape".into());
            }
            let close = |(e, g): (f64, f64)| {
                e == g
                    || (e.is_nan() && g.is_nan())
                    || (e - g).abs() <= tolerance.absolute + tolerance.relative * e.abs()
            };
            let numbers = |tensor: &hadal_core::Tensor| match element {
                ElementType::U64 => tensor.to_vec::<i64>().into_iter().map(|v| v as u64 as f64).collect(),
                _ => tensor.to_f64_vec(),
            };
            let pairs = numbers(expected).into_iter().zip(numbers(got));
            if pairs.clone().all(close) { Ok(()) } else { Err("other numbers".into()) }
        }
        _ => Err("another kind of value".into()),
    }
}
